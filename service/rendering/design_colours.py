"""The colours of a design: its own, given for day and night, and every shade of a newsletter's colour that it may use. Whatever
that colour is, what is written in a shade, or on one, can be read."""

from collections.abc import Mapping

from service.rendering.colour import AA, best_ink, hardest, mix, readable

SCHEMES = ("light", "dark")
GROUNDS = ("paper", "ground", "wash")
"""What text stands on: the sheet, what lies around it, and boxes on the sheet."""
OWN = (*GROUNDS, "ink", "muted", "rule")
"""What a design gives for each scheme: grounds, text, quieter text, and lines that only decorate."""
OF_THE_BRAND = ("brand", "brand_rule", "band", "on_band", "brand_button", "on_brand_button")
"""What is made of the newsletter's colour: text, lines, the masthead with its text, buttons with theirs."""
DARK = "dark_"
SLOTS = tuple(prefix + name for prefix in ("", DARK) for name in (*OWN, *OF_THE_BRAND))

Palette = Mapping[str, str]

MEANINGFUL = 3.0
"""WCAG's contrast for what is no text and yet says something."""
_GLARING = 6.0
"""Saturated colours glare on dark ground long before they can be read well: there they are lightened further."""


def shades(palettes: Mapping[str, Palette], brand: str) -> dict[str, str]:
    """Slot → colour, for both schemes of a design."""
    found: dict[str, str] = {}
    for scheme in SCHEMES:
        prefix = DARK if scheme == "dark" else ""
        own = {name: palettes[scheme][name] for name in OWN}
        for name, colour in {**own, **_of_the_brand(own, brand, dark=scheme == "dark")}.items():
            found[prefix + name] = colour
    return found


def _of_the_brand(own: Palette, brand: str, *, dark: bool) -> dict[str, str]:
    on = hardest([own[name] for name in GROUNDS])
    band = mix(brand, "#000000", 0.25) if dark else brand
    button = readable(brand, on, ratio=MEANINGFUL)
    return {
        "brand": readable(brand, on, ratio=_GLARING if dark else AA),
        "brand_rule": readable(brand, on, ratio=MEANINGFUL),
        "band": band,
        "on_band": best_ink(band),
        "brand_button": button,
        "on_brand_button": best_ink(button),
    }
