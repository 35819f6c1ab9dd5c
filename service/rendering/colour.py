"""Colours with enough contrast to be read: WCAG 2 contrast, and the nearest shade of a brand's colour that reaches it."""

import colorsys
import re
from collections.abc import Iterable

AA = 4.5
HEX = re.compile(r"#[0-9a-fA-F]{6}")

Rgb = tuple[float, float, float]


def contrast(one: str, other: str) -> float:
    """The WCAG 2 contrast of two colours written #rrggbb: from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def readable(colour: str, on: str, *, ratio: float = AA) -> str:
    """The colour itself where it can be read on that ground, else the nearest darker or lighter shade that can."""
    dark = contrast("#000000", on) > contrast("#ffffff", on)
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(colour))
    for step in range(101):
        lightened = lightness * (1 - step / 100) if dark else lightness + (1 - lightness) * step / 100
        shade = colour if step == 0 else _hex(colorsys.hls_to_rgb(hue, lightened, saturation))
        if contrast(shade, on) >= ratio:
            return shade
    return "#000000" if dark else "#ffffff"


def best_ink(ground: str) -> str:
    """White where it can be read on that ground, else black, which then can."""
    return "#ffffff" if contrast("#ffffff", ground) >= AA else "#000000"


def hardest(grounds: Iterable[str]) -> str:
    """The one nearest to grey. Where all are light, or all dark, what can be read on it can be read on the others."""
    return min(grounds, key=lambda one: max(contrast(one, "#ffffff"), contrast(one, "#000000")))


def mix(colour: str, other: str, share: float) -> str:
    """`share` of the other colour in this one."""
    red, green, blue = (a * (1 - share) + b * share for a, b in zip(_rgb(colour), _rgb(other), strict=True))
    return _hex((red, green, blue))


def _hex(channels: Rgb) -> str:
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


def _rgb(colour: str) -> Rgb:
    if not HEX.fullmatch(colour):
        raise ValueError(f"“{colour}” is not a colour; write it as # and six digits, such as #1f3a5f")
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _luminance(colour: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
