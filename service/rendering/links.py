"""Which links a mail may carry: whole addresses of four kinds, and jumps to a place that exists."""

import re
from urllib.parse import urlsplit

from service.rendering.placing import MARK
from service.rendering.problems import Findings

SCHEMES = frozenset({"http", "https", "mailto", "tel"})

_INVISIBLE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\ufeff]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SENTENCE_ENDS = ".,;:!?'*_"


def check(href: str, line: int, findings: Findings) -> None:
    """Report what is wrong with one link destination; `#place` is checked where places are known."""
    address = _INVISIBLE.sub("", href)
    found = _SCHEME.match(address)
    if found and found.group(1).lower() in SCHEMES:
        _check_whole(address, line, findings)
    elif found:
        findings.problem(f"links may not begin with {found.group(1).lower()}:; write an https:// address", line=line)
    elif MARK.match(address):
        findings.problem(
            "a tag cannot be the whole link, for it could lead anywhere; write https://your.site/ and put the tag after it",
            line=line,
        )
    elif not address:
        findings.problem("a link without an address; write [text](https://…)", line=line)
    elif not address.startswith("#"):
        findings.problem(
            f"the link “{_shown(address)}” leads nowhere in a mail; write the whole https:// address", line=line
        )


def leads_nowhere(host: str | None) -> bool:
    """Names that are reserved never to be sites; some stand in frozen content for places of ours, and no author may name those."""
    return (host or "").lower().rstrip(".").endswith(".invalid")


def without_end(url: str) -> str:
    """A pasted address without the full stop or bracket that belongs to the sentence."""
    surplus, end = url.count(")") - url.count("("), len(url)
    while end and (url[end - 1] in _SENTENCE_ENDS or (url[end - 1] == ")" and surplus > 0)):
        surplus -= url[end - 1] == ")"
        end -= 1
    return url[:end]


def _check_whole(address: str, line: int, findings: Findings) -> None:
    try:
        parts = urlsplit(address)
    except ValueError:
        findings.problem(f"the link “{_shown(address)}” is not an address; check its brackets", line=line)
        return
    if parts.scheme in ("http", "https") and not parts.hostname:
        findings.problem(f"the link “{_shown(address)}” names no site; write https://site/…", line=line)
    if MARK.search(parts.netloc if parts.scheme in ("http", "https") else parts.path):
        findings.problem("a tag cannot be part of the site's name or address; put it after the first / or ?", line=line)
    if leads_nowhere(parts.hostname):
        findings.problem(f"the link to {parts.hostname} leads nowhere: no site ends in .invalid", line=line)
    if parts.username or parts.password:
        findings.problem(
            f"the link to {parts.hostname} holds a user name; take out what stands before the @", line=line
        )


def _shown(address: str) -> str:
    return MARK.sub("{{…}}", address)[:80]
