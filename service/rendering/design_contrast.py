"""Whether everything in a design can be read: which colour meets which ground, by day and by night, in a page that shows every
block there is; and the contrast of each of these pairs for a newsletter's colour."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lxml.html
import tinycss2.color3
from cssselect import SelectorError, parse
from lxml.cssselect import CSSSelector
from lxml.html import HtmlElement

from service.rendering import design_colours
from service.rendering.colour import AA, contrast
from service.rendering.design_colours import DARK, MEANINGFUL, Palette
from service.rendering.design_css import PREHEADER, Declaration, Rule
from service.rendering.design_faults import LAYOUT, SLOT, Fault

SPECIMEN = Path(__file__).resolve().parents[2] / "templates" / "newsletters" / "specimen.html"
"""A body with every block that an issue may hold."""

_SAMPLES = [f"#{r:02x}{g:02x}{b:02x}" for r in (0, 85, 170, 255) for g in (0, 85, 170, 255) for b in (0, 85, 170, 255)]
_LARGE, _LARGE_BOLD = 24.0, 18.66
_BORDERS = (
    "border",
    "border-top",
    "border-bottom",
    "border-start",
    "border-end",
    "border-color",
    "border-left",
    "border-right",
)
_SCHEME_OF = {"light": "", "dark": DARK}

Where = tuple[str, int]


@dataclass(frozen=True)
class Pair:
    """Two colours that meet, each a slot's name or a colour; `what`: the place, in words. `where` the first was given."""

    scheme: str
    colour: str
    ground: str
    ratio: float
    what: str
    where: Where = field(compare=False)


@dataclass
class _Style:
    """What of an element's style matters here, as it is in the end."""

    colour: str = "#000000"
    colour_where: Where = (LAYOUT, 1)
    ground: str = "#ffffff"
    size: float = 16.0
    is_bold: bool = False
    own_ground: Where | None = None
    borders: tuple[tuple[str, Where], ...] = ()


def pairs(layout: str, sheets: Iterable[tuple[str, list[Rule]]]) -> list[Pair]:
    """Every pair of colours in a design, both schemes, in a page that shows all blocks. `sheets`: file and rules."""
    return pairs_in(lxml.html.document_fromstring(_specimen(layout)), sheets)


def pairs_in(page: HtmlElement, sheets: Iterable[tuple[str, list[Rule]]]) -> list[Pair]:
    """Every pair of colours in a page."""
    given = list(sheets)
    found: dict[Pair, None] = {}
    for scheme in design_colours.SCHEMES:
        chosen = [
            (file, rule)
            for file, rules in given
            for rule in rules
            if not rule.query or (rule.is_dark and scheme == "dark")
        ]
        for pair in _pairs(page, _cascade(page, chosen), scheme):
            found.setdefault(pair)
    return list(found)


def measure(found: Iterable[Pair], shades: Mapping[str, str]) -> Iterator[tuple[Pair, float]]:
    """The pairs whose contrast is too small with these shades, with the contrast they have."""
    for pair in found:
        reached = contrast(shades.get(pair.colour, pair.colour), shades.get(pair.ground, pair.ground))
        if reached < pair.ratio:
            yield pair, reached


def faults(found: list[Pair], palettes: Mapping[str, Palette]) -> list[Fault]:
    """The pairs that cannot be read for some newsletter's colour, each once, with the colour where it is worst."""
    worst: dict[Pair, tuple[float, str]] = {}
    for brand in _SAMPLES:
        for pair, reached in measure(found, design_colours.shades(palettes, brand)):
            if pair not in worst or reached < worst[pair][0]:
                worst[pair] = (reached, brand)
    return [
        Fault(
            *pair.where,
            f"{pair.what}, in {pair.scheme}: {_name(pair.colour)} on {_name(pair.ground)} has a contrast of {reached:.1f}"
            f" (newsletter's colour {brand}) and needs {pair.ratio:g}; take a slot that is made for this ground",
        )
        for pair, (reached, brand) in worst.items()
    ]


def _name(colour: str) -> str:
    return colour if colour.startswith("#") else f"%%{colour}%%"


def _specimen(layout: str) -> str:
    """The layout with every block in it."""
    rows = {
        "web_version": '<tr><td class="web-version footer ground pad sans"><p><a href="#a">Read this</a></p></td></tr>',
        "logo": '<tr><td class="logo-row paper pad"><img class="logo" src="a.png" alt="Sender"></td></tr>',
        "title": '<h1 class="title">A title<sup><a href="#a">1</a></sup></h1>',
        "sender_line": '<p class="masthead-sender">A sender</p>',
        "notes": '<div class="notes"><h2>Notes</h2><ol><li><p>A note, <a href="#a">a link</a></p></li></ol></div>',
        "body": SPECIMEN.read_text("utf-8"),
        "leave": '<a href="#a">Leave</a>',
        "language": "en",
        "direction": "ltr",
        "style": "",
        "mail": "",
        "preheader": "",
    }
    return SLOT.sub(lambda found: rows.get(found[1], found[1]), layout)


def _cascade(
    page: HtmlElement, chosen: list[tuple[str, Rule]]
) -> dict[HtmlElement, dict[str, tuple[Declaration, str]]]:
    """Element → property → the declaration that wins, with its file."""
    won: dict[HtmlElement, dict[str, tuple[Any, Declaration, str]]] = {}
    for order, (file, rule) in enumerate(chosen):
        for selector in rule.selectors:
            try:
                [parsed] = parse(selector)
                elements: list[HtmlElement] = CSSSelector(selector)(page)  # type: ignore[assignment]
            except (SelectorError, ValueError):  # states such as :hover; nothing is drawn in them first
                continue
            for at, one in enumerate(rule.declarations):
                for name in _longhands(one):
                    rank = (one.important, bool(rule.query), parsed.specificity(), order, at)
                    for element in elements:
                        best = won.setdefault(element, {})
                        if name not in best or best[name][0] <= rank:
                            best[name] = (rank, one, file)
    return {element: {name: (one, file) for name, (_rank, one, file) in best.items()} for element, best in won.items()}


def _longhands(one: Declaration) -> tuple[str, ...]:
    if one.name in ("background", "background-color"):
        return ("background",)
    if one.name == "border-color":
        return ("border-color",)
    return (one.name,) if one.name in ("color", "font-size", "font-weight", *_BORDERS) else ()


def _pairs(
    page: HtmlElement, won: dict[HtmlElement, dict[str, tuple[Declaration, str]]], scheme: str
) -> Iterator[Pair]:
    styles: dict[HtmlElement, _Style] = {}
    hidden = PREHEADER.removeprefix(".")
    for element in page.find("body").iter():
        if not isinstance(element.tag, str):
            continue
        above = styles.get(element.getparent(), _Style())
        style = styles[element] = _style(won.get(element, {}), above, str(element.tag))
        if any(hidden in (one.get("class") or "").split() for one in (element, *element.iterancestors())):
            continue
        what = _words(element)
        if _says_something(element):
            large = style.size >= _LARGE or (style.is_bold and style.size >= _LARGE_BOLD)
            yield Pair(scheme, style.colour, style.ground, MEANINGFUL if large else AA, what, style.colour_where)
        for colour, where in style.borders:
            if colour != _SCHEME_OF[scheme] + "rule":
                yield Pair(scheme, colour, above.ground, MEANINGFUL, f"the line of {what}", where)
        if "button" in (element.get("class") or "").split() and style.own_ground:
            yield Pair(scheme, style.ground, above.ground, MEANINGFUL, f"the face of {what}", style.own_ground)


def _style(own: Mapping[str, tuple[Declaration, str]], above: _Style, tag: str) -> _Style:
    style = _Style(
        above.colour, above.colour_where, above.ground, above.size, above.is_bold or tag in ("b", "strong", "th")
    )
    for name, (one, file) in own.items():
        where = (file, one.line)
        colour = _colour(one)
        if name == "color" and colour:
            style.colour, style.colour_where = colour, where
        elif name == "background" and colour:
            style.ground, style.own_ground = colour, where
        elif name == "font-weight":
            style.is_bold = one.value in ("bold", "bolder", "600", "700", "800", "900")
        elif name == "font-size":
            style.size = next((token.value for token in one.tokens if token.type == "dimension"), style.size)
        elif name in _BORDERS and colour and not (name != "border-color" and "border-color" in own):
            style.borders += ((colour, where),)
    if "border-color" in own and not any(name in own for name in _BORDERS if name != "border-color"):
        style.borders = ()  # a colour without a line
    return style


def _colour(one: Declaration) -> str | None:
    """The slot, or the colour as #rrggbb, in a declaration; None where it has none."""
    for token in one.tokens:
        if token.type == "ident" and token.value.startswith("slot-"):
            return str(token.value).removeprefix("slot-")
        if token.type in ("hash", "ident", "function"):
            found = tinycss2.color3.parse_color(token)
            if found is not None and not isinstance(found, str) and found.alpha > 0:
                return "#" + "".join(f"{round(part * 255):02x}" for part in found[:3])
    return None


def _says_something(element: HtmlElement) -> bool:
    return element.tag == "img" or any(
        text.strip() for text in (element.text or "", *(one.tail or "" for one in element))
    )


def _words(element: HtmlElement) -> str:
    """The nearest class with the tag below it: “.callout-cell p”."""
    for one in (element, *element.iterancestors()):
        if names := [
            name for name in (one.get("class") or "").split() if name not in ("pad", "sans", "serif", "margin")
        ]:
            return f".{names[0]}" if one is element else f".{names[0]} {element.tag}"
    return str(element.tag)
