"""Pictures for tests: photographs that compress badly, drawings with few colours, and what a camera writes beside them."""

import random
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

GPS = {1: "N", 2: (52.0, 22.0, 0.0), 3: "E", 4: (4.0, 53.0, 0.0)}


def photograph(width: int = 2400, height: int = 1600, mode: str = "RGB") -> Image.Image:
    """Noise over a coarse picture: thousands of colours, and large in any encoding, as photographs are."""
    rng = random.Random(7)
    coarse = Image.frombytes("RGB", (48, 32), rng.randbytes(48 * 32 * 3)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    noise = Image.frombytes("L", (width // 4, height // 4), rng.randbytes((width // 4) * (height // 4)))
    noise = noise.resize((width, height)).filter(ImageFilter.GaussianBlur(1))
    return Image.blend(coarse, Image.merge("RGB", (noise,) * 3), 0.15).convert(mode)


def drawing(width: int = 1400, height: int = 700, mode: str = "RGB") -> Image.Image:
    """A diagram of a handful of colours."""
    picture = Image.new("RGB", (width, height), "#ffffff")
    pen = ImageDraw.Draw(picture)
    for number, colour in enumerate(("#1f3a5f", "#7a1f2b", "#2b7a1f", "#e0b020")):
        pen.rectangle((10 + 40 * number, 20, 40 + 40 * number, height - 20), fill=colour)
    return picture.convert(mode)


def saved(picture: Image.Image, kind: str, **words: Any) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **words)
    return out.getvalue()


def opened(content: bytes) -> Image.Image:
    picture = Image.open(BytesIO(content))
    picture.load()
    return picture


def from_a_camera(picture: Image.Image, *, orientation: int = 1) -> bytes:
    """A JPEG with a place, an owner, a comment and an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x013B] = "canary-of-an-owner"
    exif.get_ifd(0x8825).update(GPS)
    return saved(picture, "JPEG", quality=95, exif=exif, comment=b"canary-of-a-comment")


def film(number: int = 4, size: tuple[int, int] = (300, 200), *, noisy: bool = False) -> bytes:
    """An animated GIF with a comment."""
    rng = random.Random(3)
    frames = [
        Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))
        if noisy
        else Image.new("RGB", size, (60 * at, 20, 90))
        for at in range(number)
    ]
    return saved(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[80, 120, 200, 90][:number] if number < 5 else 80, loop=3, comment=b"canary-of-a-comment"
    )  # fmt: skip
