"""A newsletter's own colours, as a stylesheet: the policy lets no page style itself. Whatever the colour, text on it and
text in it can be read."""

from flask import Blueprint, Response, make_response, request

from service.operations import newsletters
from service.rendering.colour import contrast, mix, readable

blueprint = Blueprint("brand", __name__)

LIGHT_SHEET, DARK_SHEET = "#ffffff", "#1d2024"
LIGHT_GROUND, DARK_GROUND = "#f1efea", "#131518"
WHITE, BLACK = "#ffffff", "#000000"


@blueprint.get("/n/<slug>/brand.css")
def stylesheet(slug: str) -> Response:
    """The newsletter's colours for day and night. Raises NotFound."""
    brand = newsletters.brand(slug)
    response = make_response(css(brand.colour))
    response.mimetype = "text/css"
    # The address carries the version: a new colour is a new address.
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.add_etag()
    response.make_conditional(request)
    return response


def css(colour: str) -> str:
    """The tokens that hold the brand, for both schemes."""
    light, dark = tokens(colour, dark=False), tokens(colour, dark=True)
    return f":root {{ {_declare(light)} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {_declare(dark)} }} }}\n"


def tokens(colour: str, *, dark: bool) -> dict[str, str]:
    """`band` is the masthead; `action` is what links and buttons are drawn in, readable on sheet and ground alike."""
    sheet, ground = (DARK_SHEET, DARK_GROUND) if dark else (LIGHT_SHEET, LIGHT_GROUND)
    band = mix(colour, DARK_GROUND, 0.25) if dark else colour
    action = _readable_on_both(colour, sheet, ground)
    return {
        "band": band,
        "on-band": _best_ink(band),
        "action": action,
        "on-action": _best_ink(action),
    }


def _readable_on_both(colour: str, sheet: str, ground: str) -> str:
    """The grounds are alike: what can be read on the one that is nearer to grey can be read on the other."""
    return readable(colour, min(sheet, ground, key=lambda one: max(contrast(one, WHITE), contrast(one, BLACK))))


def _best_ink(ground: str) -> str:
    """White or black on any colour has a contrast of at least 4.58."""
    return max((WHITE, BLACK), key=lambda ink: contrast(ink, ground))


def _declare(found: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in found.items())
