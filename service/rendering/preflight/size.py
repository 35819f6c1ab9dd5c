"""Rules on how much a mail weighs: Gmail cuts what is longer than about 102 KB, and with it the leave link."""

from collections.abc import Iterator

import lxml.html
from lxml.html import HtmlElement

from service.rendering.newsletter import KB, LARGE_HTML, MAX_HTML
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail, words_of

TRACKED_LINK = 330
"""Bytes of a link rewritten by SendGrid besides the address it leads to, which it holds encoded: an estimate."""
ENCODED = 1.4
HEAVY_PART = 0.08


def check(mail: Mail, _facts: Facts) -> Iterator[Finding]:
    """Whether the longest mail that any reader gets comes near the limit, and what weighs most."""
    size = len(mail.worst_html.encode())
    grown = size + growth(mail)
    if max(size, grown) <= LARGE_HTML:
        return
    heaviest = ", ".join(f"{name} {share:.0%}" for name, share in weights(mail)[:4])
    remedy = f"Shorten it, or send part of it as an issue of its own. What weighs most: {heaviest}."
    told = f"the mail has up to {size / KB:.0f} KB of HTML"
    if size > MAX_HTML:
        text = f"{told} and Gmail cuts it at 102 KB, leave link and all"
        yield Finding("blocks", "size", text, "the HTML", remedy)
    elif grown > MAX_HTML:
        text = f"{told}, about {grown / KB:.0f} KB with tracked links; Gmail cuts it at 102 KB"
        yield Finding("warns", "size-when-tracked", text, "the HTML", remedy)
    else:
        text = f"{told}, about {grown / KB:.0f} KB with tracked links" if grown > size else told
        yield Finding("warns", "size-near", f"{text}; Gmail cuts it at 102 KB", "the HTML", remedy)


def growth(mail: Mail) -> int:
    """Bytes that tracked links will add, as far as can be told beforehand."""
    if not mail.head.tracked:
        return 0
    tracked = (
        str(link.get("href"))
        for link in mail.links
        if link.get("clicktracking") != "off" and str(link.get("href")).startswith("http")
    )
    return sum(TRACKED_LINK + round(len(url) * (ENCODED - 1)) for url in tracked)


def weights(mail: Mail) -> list[tuple[str, float]]:
    """The parts of the mail and their shares, the heaviest first; those below a tenth or so are not worth a word."""
    whole = max(1, len(mail.html.encode()))
    parts: dict[str, int] = {}
    inline = 0
    for element in mail.tree.iter():
        if isinstance(element.tag, str) and (style := element.get("style")):
            inline += len(str(style).encode())
        if element.tag == "style":
            parts["style sheets"] = parts.get("style sheets", 0) + _bytes(element)
        elif element.tag == "table" and element.get("role") != "presentation":
            parts[f"the table “{words_of(element)[:24]}…”"] = _bytes(element)
    parts["styles in the elements"] = inline
    parts |= _sections(mail.tree)
    shares = sorted(((name, size / whole) for name, size in parts.items()), key=lambda pair: -pair[1])
    return [pair for pair in shares if pair[1] >= HEAVY_PART] or shares[:1]


def _sections(tree: HtmlElement) -> dict[str, int]:
    """Bytes from each heading to the next, and of the notes."""
    found: dict[str, int] = {}
    for heading in tree.iter("h2"):
        above = heading.getparent()
        if above is not None and "notes" in str(above.get("class") or "").split():
            found["the notes"] = _bytes(above)
            continue
        size = _bytes(heading)
        for following in heading.itersiblings():
            if following.tag in ("h1", "h2"):
                break
            size += _bytes(following)
        found[f"the section “{words_of(heading)[:40]}”"] = size
    return found


def _bytes(element: HtmlElement) -> int:
    return len(lxml.html.tostring(element, encoding="utf-8"))
