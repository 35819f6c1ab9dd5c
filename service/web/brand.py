"""A newsletter's own colours, as a stylesheet: the policy lets no page style itself. Whatever the colour, text on it and
text in it can be read."""

from flask import Blueprint, Response, make_response, request

from service.operations import newsletters
from service.rendering.colour import AA, contrast, mix, readable

blueprint = Blueprint("brand", __name__)

LIGHT = ("#ffffff", "#f1efea", "#f7f5f1")
DARK = ("#1d2024", "#131518", "#24282d")
"""Sheet, ground and wash of the pages, as their stylesheet has them: what a brand's colour is read on."""
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
    """The tokens that hold the brand, for both schemes. Paper keeps its own: no band is printed on it."""
    light, dark = _declare(tokens(colour, dark=False)), _declare(tokens(colour, dark=True))
    return (
        f"@media screen {{ :root {{ {light} }} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )


def tokens(colour: str, *, dark: bool) -> dict[str, str]:
    """`band` is the masthead; `action` is what links and buttons are drawn in, readable wherever they stand."""
    band = mix(colour, DARK[1], 0.25) if dark else colour
    # Saturated colours glare on dark ground long before they can be read well: there they are lightened further.
    action = readable(colour, _hardest(DARK if dark else LIGHT), ratio=6.5 if dark else AA)
    return {"band": band, "on-band": _best_ink(band), "action": action, "on-action": _best_ink(action)}


def _hardest(grounds: tuple[str, ...]) -> str:
    """All are light or all are dark; what can be read on the one nearest to grey can be read on the others."""
    return min(grounds, key=lambda one: max(contrast(one, WHITE), contrast(one, BLACK)))


def _best_ink(ground: str) -> str:
    """White or black on any colour has a contrast of at least 4.58."""
    return max((WHITE, BLACK), key=lambda ink: contrast(ink, ground))


def _declare(found: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in found.items())
