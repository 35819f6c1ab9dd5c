"""Makes of any usual picture one that every mail program shows: PNG, JPEG or GIF, sRGB, at most twice the column's width and
200 KB, without a word of where or by whom it was taken. Refuses, by name, what cannot become one.

The same bytes in give the same bytes out: a picture's name is the hash of what comes out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from service.clients import media_animations
from service.errors import Invalid

LARGEST_FILE = 25 * 1024 * 1024
LARGEST_AREA = 60_000_000
"""Pixels: the largest telephones take 50 million. A bomb is refused by its header, before anything is unpacked."""
COLUMN = 536
WIDEST = 2 * COLUMN
LARGEST = media_animations.LARGEST
FEW_COLOURS = 4096
"""A drawing has no more. A photograph of any size has, and is a JPEG."""
SMALLEST = 64

_READ = ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "TIFF", "BMP")
_LOSSY = ("JPEG", "MPO", "AVIF")
_MIMETYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif"}
_QUALITIES = (85, 78, 70, 62, 54)
_SMALLER = 0.82
_SVG = re.compile(rb"\s*(?:<\?xml.{0,2000}?)?(?:<!--.{0,2000}?-->\s*)?(?:<!DOCTYPE\s+svg.{0,2000}?)?<(?:\w+:)?svg\b", re.DOTALL | re.IGNORECASE)  # fmt: skip
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, OverflowError, MemoryError)
_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True)
class Prepared:
    """A picture as it is kept. Width and height are what it is shown at: half of its own pixels where it was wide enough."""

    content: bytes
    mimetype: str
    width: int
    height: int


def prepare(content: bytes, *, called: str) -> Prepared:
    """The picture as mail programs get it. Raises Invalid, naming it, with what to do."""
    _check_kind(content, called)
    try:
        with Image.open(BytesIO(content), formats=_READ) as picture:
            kind = str(picture.format)
            _check_size(picture, called)
            if getattr(picture, "is_animated", False) and kind != "MPO":
                kept = media_animations.keep(picture, kind, widest=WIDEST, called=called)
                return _shown(picture, kept, "GIF")
            picture.load()
            return _still(picture, kind)
    except Invalid:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Invalid(_too_large(called)) from None
    except UnidentifiedImageError:
        raise Invalid(
            f"{called} is no picture that can be read. Save it as PNG (drawings, logos) or JPEG (photographs)."
        ) from None
    except _UNREADABLE:
        raise Invalid(f"{called} is damaged: its end or a part of it is missing. Export or copy it again.") from None


def _check_kind(content: bytes, called: str) -> None:
    if not content:
        raise Invalid(f"{called} is empty. Export or copy it again.")
    if len(content) > LARGEST_FILE:
        raise Invalid(
            f"{called} has {len(content) // 1024:,} KB; a picture may have {LARGEST_FILE // 1024:,}. Make it smaller."
        )
    if _SVG.match(content.removeprefix(b"\xef\xbb\xbf")) or called.lower().endswith((".svg", ".svgz")):
        raise Invalid(
            f"{called} is an SVG drawing: most mail programs show none, and one can hold a program. Export it as PNG, {WIDEST} pixels wide."
        )
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC:
        raise Invalid(f"{called} is a HEIC photograph, which only some machines can read. Export it as JPEG.")


def _check_size(picture: Image.Image, called: str) -> None:
    frames = getattr(picture, "n_frames", 1) if picture.format == "GIF" else 1
    if picture.width * picture.height * frames > LARGEST_AREA:
        raise Invalid(_too_large(called))


def _too_large(called: str) -> str:
    return f"{called} has more than {LARGEST_AREA // 1_000_000} million pixels. Make it smaller: a mail shows at most {WIDEST} in width."


def _shown(original: Image.Image, content: bytes, kind: str) -> Prepared:
    """However many steps smaller it had to be made, it is shown as wide as it was meant, up to the column."""
    turned = original.getexif().get(0x0112, 1) in (5, 6, 7, 8) and kind != "GIF"
    wide, high = (original.height, original.width) if turned else original.size
    scale = min(1.0, COLUMN / wide)
    return Prepared(content, _MIMETYPES[kind], max(1, round(wide * scale)), max(1, round(high * scale)))


def _still(original: Image.Image, kind: str) -> Prepared:
    upright = ImageOps.exif_transpose(original)
    plain = _in_srgb(upright)
    has_holes = plain.mode == "RGBA"
    few = kind not in _LOSSY and plain.getcolors(FEW_COLOURS) is not None
    if plain.width > WIDEST:
        plain = _resized(plain, WIDEST / plain.width)
    plain.info = {}  # comments, profiles and texts: some encoders would write them again
    if few or has_holes:
        drawn = _png(plain)
        if drawn is None and has_holes:
            drawn = next(found for one in _steps(plain) if (found := _png(one)) is not None)
        if drawn is not None:
            return _shown(original, drawn, "PNG")
    found = next(found for one in _steps(plain) if (found := _jpeg(one)) is not None)
    return _shown(original, found, "JPEG")


def _in_srgb(picture: Image.Image) -> Image.Image:
    """RGB, or RGBA where something shines through, in the colours that every screen assumes."""
    picture, profile = _eight_bits(picture), picture.info.get("icc_profile")
    if picture.mode == "P" or (picture.mode in ("1", "L", "RGB") and "transparency" in picture.info):
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    alpha = picture.convert("RGBA").getchannel("A") if "A" in picture.getbands() or picture.mode == "RGBa" else None
    colours = _converted(picture.convert("RGB") if alpha is not None else picture, profile)
    if alpha is None or alpha.getextrema() == (255, 255):
        return colours
    colours.putalpha(alpha)
    return colours


def _converted(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and picture.mode in ("RGB", "CMYK", "L", "LAB"):
        try:
            found = ImageCms.profileToProfile(
                picture, ImageCms.ImageCmsProfile(BytesIO(profile)), _SRGB, outputMode="RGB"
            )
            if found is not None:
                return found
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile for other colours than the picture's, or a damaged one: as good as none
    return picture.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Greys of 16 or more bits would be cut off at the 256th by an ordinary conversion: nearly everything white."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    wide = picture.convert("F")
    low, high = (float(one) for one in wide.getextrema() if not isinstance(one, tuple))
    if picture.mode.startswith("I") and low >= 0:
        low, high = 0.0, 65535.0 if high > 255 else 255.0
    scale = 255 / ((high - low) or 1)
    return wide.point(lambda value: value * scale - low * scale).convert("L")


def _resized(picture: Image.Image, scale: float) -> Image.Image:
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _steps(picture: Image.Image) -> Iterator[Image.Image]:
    """The picture, and smaller and smaller ones; the last is so small that it fits whatever it shows."""
    scale = 1.0
    while picture.width * scale > SMALLEST or picture.height * scale > SMALLEST:
        yield picture if scale == 1 else _resized(picture, scale)
        scale *= _SMALLER
    yield _resized(picture, min(1.0, scale))


def _png(picture: Image.Image) -> bytes | None:
    """As it is where that fits, else in 256 colours; None where neither does."""
    written = _written(picture, "PNG", optimize=True)
    if len(written) > LARGEST or picture.getcolors(256) is not None:
        # FASTOCTREE is the one method that keeps what shines through.
        reduced = picture.quantize(256, method=Image.Quantize.FASTOCTREE)
        smaller = _written(reduced, "PNG", optimize=True)
        is_exact = reduced.convert(picture.mode).tobytes() == picture.tobytes()
        if len(written) > LARGEST or (is_exact and len(smaller) < len(written)):
            written = smaller
    return written if len(written) <= LARGEST else None


def _jpeg(picture: Image.Image) -> bytes | None:
    for quality in _QUALITIES:
        found = _written(picture, "JPEG", quality=quality, optimize=True, progressive=True, subsampling="4:2:0")
        if len(found) <= LARGEST:
            return found
    return None


def _written(picture: Image.Image, kind: str, **words: object) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **words)
    return out.getvalue()
