"""Rules on styles that mail programs do not know. Where what is seen would break it warns; what is merely passed over (a round
corner, a dark form) is told in one note."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from service.rendering.preflight import caniemail, sheets
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail

_BREAKS = (
    "css-display-flex css-display-grid css-grid-template css-position css-left-right-top-bottom css-inset css-float css-background-image css-variables "
    "css-function-clamp css-function-max css-function-min css-function-light-dark css-unit-calc css-unit-rem css-unit-vw css-unit-vh css-unit-vmin "
    "css-unit-vmax css-transform css-object-fit css-clip-path css-mask-image css-column-count css-column-layout-properties css-pseudo-element-before "
    "css-pseudo-element-after css-at-import css-aspect-ratio css-nesting css-modern-color css-filter css-mix-blend-mode css-writing-mode "
    "css-linear-gradient css-radial-gradient css-conic-gradient html-video html-audio html-form html-input-text html-input-checkbox html-input-radio "
    "html-button-submit html-select html-textarea html-svg html-object html-dialog html-marquee html-progress html-meter image-svg image-webp "
    "image-avif image-heif image-tiff image-base64 image-mp4"
)
BREAKS = frozenset(_BREAKS.split())
"""What a mail looks broken or loses words without."""
_UNITS = re.compile(r"^[a-z]{1,4}$")
_PSEUDO = re.compile(r"(::?)([a-z-]+)")
_PREFIX = re.compile(r"^-(?:webkit|moz|ms|o)-")
_FUNCTIONS = {
    "calc": "css-unit-calc",
    "clamp": "css-function-clamp",
    "min": "css-function-min",
    "max": "css-function-max",
    "light-dark": "css-function-light-dark",
    "var": "css-variables",
    "linear-gradient": "css-linear-gradient",
    "radial-gradient": "css-radial-gradient",
    "conic-gradient": "css-conic-gradient",
}
_SIDES = ("left", "right", "top", "bottom")
_MEDIA = ("prefers-color-scheme", "prefers-reduced-motion", "hover", "orientation", "device-pixel-ratio")

Use = tuple[str, str, bool]
"""A feature, where it was seen, and whether that is a form for programs that know it (inside @media or @supports)."""


def check(mail: Mail, _facts: Facts) -> Iterator[Finding]:
    """A finding for each feature that breaks, and one for all that are passed over."""
    places: dict[str, str] = {}
    passed_over: dict[str, None] = {}
    for slug, where, is_extra in _uses(mail):
        if not caniemail.is_known(slug) or not caniemail.without(slug):
            continue
        if slug in BREAKS and not is_extra:
            places.setdefault(slug, where)
        else:
            passed_over.setdefault(slug)
    for slug, where in places.items():
        text = f"{caniemail.title(slug)} does not work in {', '.join(caniemail.without(slug))}"
        remedy = "Do it with a table, pixels and plain colours; caniemail.com says what works where."
        yield Finding("warns", "style-unsupported", text, where, remedy)
    if passed_over:
        told = "; ".join(f"{caniemail.title(slug)} ({_programs(caniemail.without(slug))})" for slug in passed_over)
        text = f"some programs pass over parts of the design, and the mail can be read without them: {told}"
        yield Finding("notes", "style-passed-over", text, "the styles", "Nothing to do.")


def _programs(without: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(one.partition(" (")[0] for one in without))


def _uses(mail: Mail) -> Iterator[Use]:
    rules, at_rules = sheets.read(mail.tree)
    for at_rule in at_rules:
        yield from ((slug, f"@{at_rule.name}", at_rule.name != "import") for slug in _at_rule(at_rule))
    for rule in rules:
        where = f"the rule {rule.selector[:60]}"
        yield from ((slug, where, bool(rule.media)) for slug in _selector(rule.selector))
        for declaration in rule.declarations:
            yield from ((slug, where, bool(rule.media)) for slug in _declaration(declaration))
    seen: dict[str, str] = defaultdict(str)
    for element in mail.tree.iter():
        if not isinstance(element.tag, str):
            continue
        where = f"<{element.tag}>"
        yield from ((slug, where, False) for slug in _element(element))
        if style := element.get("style"):
            seen[str(style)] = seen[str(style)] or where
    for style, where in seen.items():
        for declaration in sheets.declarations(style):
            yield from ((slug, f"the style of {where}", False) for slug in _declaration(declaration))


def _at_rule(rule: sheets.AtRule) -> Iterator[str]:
    yield f"css-at-{rule.name}"
    if rule.name == "media":
        yield from (f"css-at-media-{feature}" for feature in _MEDIA if feature in rule.prelude)


def _selector(selector: str) -> Iterator[str]:
    if "[" in selector:
        yield "css-selector-attribute"
    for marks, name in _PSEUDO.findall(selector.lower()):
        is_element = marks == "::" or name in ("before", "after", "first-line", "first-letter")
        yield f"css-pseudo-{'element' if is_element else 'class'}-{name}"


def _declaration(declaration: sheets.Declaration) -> Iterator[str]:
    name = declaration.name
    if name.startswith("--"):
        yield "css-variables"
        return
    if name.startswith("mso-"):
        return
    bare = _PREFIX.sub("", name)
    yield "css-left-right-top-bottom" if bare in _SIDES else f"css-{bare}"
    value = declaration.value
    if bare == "display":
        kind = value.removeprefix("inline-")
        yield from (f"css-display-{kind}" for kind in (kind,) if kind in ("flex", "grid", "none"))
    if bare == "background" and "url(" in value:
        yield "css-background-image"
    yield from _tokens(declaration.tokens)


def _tokens(tokens: Iterable[Any]) -> Iterator[str]:
    for token in tokens:
        if token.type == "dimension" and _UNITS.match(token.lower_unit):
            yield f"css-unit-{token.lower_unit}"
        elif token.type == "function":
            if token.lower_name in _FUNCTIONS:
                yield _FUNCTIONS[token.lower_name]
            yield from _tokens(token.arguments)


def _element(element: Any) -> Iterator[str]:
    tag = str(element.tag)
    if tag == "input":
        yield f"html-input-{str(element.get('type') or 'text').lower()}"
    elif tag == "button":
        yield "html-button-submit"
    else:
        yield f"html-{tag}"
    if tag == "img":
        source = str(element.get("src") or "").lower()
        yield "image-base64" if source.startswith("data:") else f"image-{_suffix(source)}"


def _suffix(source: str) -> str:
    ending = urlsplit(source).path.rpartition(".")[2]
    return "jpg" if ending == "jpeg" else ending
