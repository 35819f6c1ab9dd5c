"""Rules on contrast: every word of the final mail against the ground it stands on, in the light form and in the dark one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, cast

import tinycss2.color3
from cssselect import SelectorError
from lxml.cssselect import CSSSelector
from lxml.html import HtmlElement

from service.rendering import colour
from service.rendering.preflight import sheets
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail
from service.rendering.preflight.sheets import Declaration, Rule

Scheme = Literal["light", "dark"]
LARGE_TEXT = 3.0
LARGE, LARGE_BOLD = 24.0, 18.66
"""Pixels from which text counts as large: WCAG 2."""
LINK = "#0000ee"
"""What mail programs give a link without a colour."""
_PROPERTIES = ("color", "background", "background-color", "font-size", "font-weight")

Weight = tuple[bool, bool, tuple[int, int, int], int]


@dataclass(frozen=True)
class Look:
    """How the words of an element are shown."""

    ink: str = "#000000"
    ground: str = "#ffffff"
    size: float = 16
    bold: bool = False

    @property
    def needed(self) -> float:
        return LARGE_TEXT if self.size >= (LARGE_BOLD if self.bold else LARGE) else colour.AA


def check(mail: Mail, _facts: Facts) -> Iterator[Finding]:
    """A finding for each pair of ink and ground that cannot be read well."""
    rules, _at_rules = sheets.read(mail.tree)
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        if scheme == "dark" and not any(_is_dark(rule) for rule in rules):
            continue
        found: dict[tuple[str, str], tuple[str, float]] = {}
        for words, look in _looks(mail, _cascade(mail.tree, rules, scheme)):
            ratio = colour.contrast(look.ink, look.ground)
            if ratio < look.needed:
                found.setdefault((look.ink, look.ground), (words, ratio))
        for (ink, ground), (words, ratio) in found.items():
            yield Finding(
                "warns",
                "contrast",
                f"{ink} on {ground} has a contrast of {ratio:.1f} in the {scheme} form; words need {colour.AA}, large ones {LARGE_TEXT:.0f}",
                mail.place(words),
                "Choose another colour in the design, or another brand colour for the newsletter.",
            )


def _is_dark(rule: Rule) -> bool:
    return "prefers-color-scheme: dark" in rule.media.replace(":dark", ": dark")


def _cascade(tree: HtmlElement, rules: list[Rule], scheme: Scheme) -> dict[HtmlElement, dict[str, Declaration]]:
    """What each element's own styles come to, by the weight of where they are written."""
    weighed: dict[HtmlElement, dict[str, tuple[Weight, Declaration]]] = {}

    def put(element: HtmlElement, one: Declaration, weight: Weight) -> None:
        own = weighed.setdefault(element, {})
        name = "background-color" if one.name == "background" else one.name
        if name not in own or own[name][0] <= weight:
            own[name] = (weight, one)

    for element in tree.iter():
        for one in sheets.declarations(str(element.get("style") or "")) if isinstance(element.tag, str) else ():
            if one.name in _PROPERTIES:
                put(element, one, (one.important, True, (0, 0, 0), 0))
    for order, rule in enumerate(rules):
        wanted = [one for one in rule.declarations if one.name in _PROPERTIES]
        if not wanted or (rule.media and not (scheme == "dark" and _is_dark(rule))):
            continue
        for selector, specificity in _selectors(rule.selector):
            for element in cast(list[HtmlElement], selector(tree)):
                for one in wanted:
                    put(element, one, (one.important, False, specificity, order))
    return {element: {name: one for name, (_weight, one) in own.items()} for element, own in weighed.items()}


def _selectors(text: str) -> Iterator[tuple[CSSSelector, tuple[int, int, int]]]:
    for one in text.split(","):
        if ":" in one:  # a state such as :hover, or nothing that a mail program would show at first
            continue
        try:
            selector = CSSSelector(one.strip(), translator="html")
        except SelectorError:
            continue
        yield selector, (one.count("#"), one.count(".") + one.count("["), len(one.split()))


def _looks(mail: Mail, cascade: dict[HtmlElement, dict[str, Declaration]]) -> Iterator[tuple[str, Look]]:
    """The words of each shown element, with their look."""
    looks: dict[HtmlElement, Look] = {}
    for element in mail.tree.iter():
        if element not in mail.shown:
            continue
        above = element.getparent()
        look = _look(element, cascade.get(element, {}), looks.get(above, Look()) if above is not None else Look())
        looks[element] = look
        words = " ".join([element.text or "", *(child.tail or "" for child in element)])
        if words.strip():
            yield " ".join(words.split()), look


def _look(element: HtmlElement, own: dict[str, Declaration], inherited: Look) -> Look:
    look = inherited
    if element.tag == "a" and element.get("href") is not None and "color" not in own:
        look = replace(look, ink=LINK)
    if attribute := element.get("bgcolor"):
        look = replace(look, ground=_hex(str(attribute), look.ground) or look.ground)
    if "background-color" in own:
        look = replace(look, ground=_ground(own["background-color"], look.ground))
    if "color" in own:
        look = replace(look, ink=_hex(own["color"].value, look.ground) or look.ink)
    if "font-size" in own and own["font-size"].value.endswith("px"):
        size = own["font-size"].value.removesuffix("px")
        look = replace(look, size=float(size) if size.replace(".", "", 1).isdigit() else look.size)
    if "font-weight" in own:
        weight = own["font-weight"].value
        look = replace(look, bold=weight in ("bold", "bolder") or (weight.isdigit() and int(weight) >= 700))
    elif element.tag in ("b", "strong", "th", "h1", "h2", "h3", "h4"):
        look = replace(look, bold=True)
    return look


def _ground(declaration: Declaration, below: str) -> str:
    for token in declaration.tokens:
        if found := _hex(token.serialize(), below):
            return found
    return below


def _hex(value: str, below: str) -> str | None:
    """#rrggbb of a colour, laid over the one below it where it lets that through; None for what is no colour."""
    parsed = tinycss2.color3.parse_color(value)
    if parsed is None or isinstance(parsed, str):
        return None
    under = [int(below[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    channels = (c * parsed.alpha + u * (1 - parsed.alpha) for c, u in zip(parsed[:3], under, strict=True))
    return "#" + "".join(f"{round(min(1.0, max(0.0, channel)) * 255):02x}" for channel in channels)
