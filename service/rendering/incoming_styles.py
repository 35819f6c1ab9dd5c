"""What a style says about the words themselves: bold, italic, raised, struck out, hidden. All other looks are the design's."""

import re
from collections.abc import Mapping

from lxml.html import HtmlElement

_RULE = re.compile(r"(?:^|(?<=[}\s,]))([a-z0-9]*)\.([A-Za-z_][\w-]*)\s*\{([^{}]*)\}")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_MEANT = {
    "b": "strong",
    "strong": "strong",
    "em": "em",
    "i": "em",
    "cite": "em",
    "dfn": "em",
    "var": "em",
    "del": "del",
    "s": "del",
    "strike": "del",
    "sup": "sup",
    "sub": "sub",
    "code": "code",
    "kbd": "code",
    "samp": "code",
    "tt": "code",
}
_LOOKS = frozenset(["color", "background", "background-color", "font", "font-family", "font-size", "text-align"])
LARGEST_SHEET = 500_000


def declarations(style: str) -> dict[str, str]:
    """The properties of a style attribute, in small letters."""
    found: dict[str, str] = {}
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            found[name.strip().lower()] = " ".join(value.lower().split())
    return found


def sheet(css: str) -> dict[str, dict[str, str]]:
    """The properties that a style sheet gives to each class, as far as single classes go."""
    rules: dict[str, dict[str, str]] = {}
    for found in _RULE.finditer(_COMMENT.sub("", css[:LARGEST_SHEET])):
        rules.setdefault(found.group(2), {}).update(declarations(found.group(3)))
    return rules


def style_of(element: HtmlElement, classes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """All that an element's classes and its own style say."""
    found: dict[str, str] = {}
    for name in str(element.get("class") or "").split() if classes else ():
        found.update(classes.get(name, {}))
    style = element.get("style")
    return {**found, **declarations(style)} if style else found


def looks_of(element: HtmlElement, before: frozenset[str], style: Mapping[str, str]) -> frozenset[str]:
    """How the words inside an element look, given how those around it do."""
    looks = before
    meant = _MEANT.get(str(element.tag))
    if meant:
        looks |= {meant}
    weight = style.get("font-weight", "")
    if weight:
        bold = weight in ("bold", "bolder") or (weight.isdigit() and int(weight) >= 600)
        looks = looks | {"strong"} if bold else looks - {"strong"}
    slant = style.get("font-style", "")
    if slant:
        looks = looks | {"em"} if slant.startswith(("italic", "oblique")) else looks - {"em"}
    if "line-through" in style.get("text-decoration", "") + style.get("text-decoration-line", ""):
        looks |= {"del"}
    raised = style.get("vertical-align", "")
    if raised in ("super", "sub") and meant not in ("sup", "sub"):
        looks = (looks - {"sup", "sub"}) | {"sup" if raised == "super" else "sub"}
    return looks


def is_hidden(style: Mapping[str, str]) -> bool:
    """Whether nobody who reads the original sees it."""
    return style.get("display") == "none" or style.get("mso-hide") == "all" or style.get("visibility") == "hidden"


def changes_looks(style: Mapping[str, str]) -> bool:
    """Whether a style says more than the words do."""
    return not _LOOKS.isdisjoint(style)
