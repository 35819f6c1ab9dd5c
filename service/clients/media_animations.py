"""Moving pictures. A GIF stays whole or is refused: to keep its first frame silently would lose what the author meant to show,
and Outlook for Windows shows that frame anyway. Moving pictures of other kinds move in no mail program."""

from io import BytesIO

from PIL import Image

from service.errors import Invalid

LARGEST = 200 * 1024
_MOST_FRAMES = 500


def keep(picture: Image.Image, kind: str, *, widest: int, called: str) -> bytes:
    """The animation without comments, in its own speed and number of rounds. Raises Invalid with what to do."""
    if kind != "GIF":
        what = "has several pages" if kind == "TIFF" else f"is a moving {kind} picture, which no mail program plays"
        raise Invalid(f"{called} {what}. Save the part that matters as PNG or JPEG, or the movement as GIF.")
    number = int(getattr(picture, "n_frames", 1))
    if number > _MOST_FRAMES:
        raise Invalid(
            f"{called} has {number:,} frames; a moving picture in a mail may have {_MOST_FRAMES}. Shorten it."
        )
    frames, durations = [], []
    scale = min(1.0, widest / picture.width)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    rounds = picture.info.get("loop")
    for at in range(number):
        picture.seek(at)
        durations.append(int(picture.info.get("duration", 100)))
        frame = picture.convert("RGBA")
        frames.append(frame if scale == 1 else frame.resize(size, Image.Resampling.LANCZOS))
        frames[-1].info = {}
    words = {} if rounds is None else {"loop": rounds}
    out = BytesIO()
    frames[0].save(
        out, "GIF", save_all=True, append_images=frames[1:], duration=durations, disposal=2, optimize=True, **words
    )
    if out.tell() > LARGEST:
        raise Invalid(
            f"{called} has {out.tell() // 1024:,} KB as a moving picture; in a mail it may have {LARGEST // 1024}."
            " Give it fewer frames or pixels, or save the frame that matters as PNG and link it to the film."
        )
    return out.getvalue()
