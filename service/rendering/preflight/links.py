"""Rules on links: that each leads somewhere, says where, and is safe to follow."""

import re
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from service.rendering import web_version
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail, words_of

OURS = frozenset({urlsplit(web_version.ADDRESS).hostname, "media.invalid"})
"""Hosts that stand in frozen content for addresses of the service's own."""
RESERVED = ("example", "test", "invalid", "localhost", "example.com", "example.org", "example.net")
"""Names that are kept free for examples (RFC 2606)."""
LONG_ADDRESS = 60

_VAGUE = re.compile(
    r"(?:please |now )?(?:click|tap|press)(?: on| this)?(?: here| link)?(?: now| to .{0,20})?|here|this(?: link| page)?|link|more|read more|learn more"
    r"|点击(?:这里|此处|链接)|点这里|这里|此处|请?点击(?:这里|此处)?(?:查看|阅读)?(?:更多|详情)?|更多|链接"
    r"|(?:bitte )?(?:hier|hier klicken|klicken sie hier|klick hier|mehr|weiterlesen|dieser link|diesen link)"
    r"|(?:cliquez|cliquer)(?: ici)?|ici|par ici|ce lien|lien|plus|en savoir plus|lire la suite",
    re.IGNORECASE,
)
_EDGES = re.compile(r"^[\s\W_]+|[\s\W_]+$")


def check(mail: Mail, facts: Facts) -> Iterator[Finding]:
    """What is wrong with each link, each said once."""
    yield from _targets(mail)
    yield from _words(mail)
    yield from _same_words(mail)
    yield from _dead(mail, facts)


def addresses(mail: Mail) -> list[str]:
    """Every address on the web that the author's links lead to, in order, each once and without its #place."""
    found = (str(link.get("href")).partition("#")[0] for link in mail.links)
    return list(dict.fromkeys(url for url in found if _is_theirs(mail, url)))


def _is_theirs(mail: Mail, url: str) -> bool:
    if not url.lower().startswith(("http://", "https://")) or url == mail.head.leave_url:
        return False
    return _host(url) not in OURS


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _place(mail: Mail, href: str, words: str = "") -> str:
    # A reader's value usually stands in the query, where the source has a tag.
    return mail.line(href) or mail.line(words) or mail.line(f"{href.partition('?')[0]}?") or f"link {href[:100]}"


def _targets(mail: Mail) -> Iterator[Finding]:
    places = {unquote(str(e.get(name))) for e in mail.tree.iter() for name in ("id", "name") if e.get(name)}
    for link in mail.links:
        href, words = str(link.get("href")).strip(), words_of(link)
        where = _place(mail, href, words) if href not in ("", "#") else mail.place(words, otherwise="a link")
        if href in ("", "#"):
            yield Finding("blocks", "link-empty", f"the link “{words}” leads nowhere", where, "Write its address.")
        elif href.startswith("#") and unquote(href[1:]) not in places:
            text = f"{href} is no place in this mail"
            yield Finding("blocks", "link-to-no-place", text, where, "Link to a heading that is there.")
        elif href.lower().startswith("http://") and href != mail.head.leave_url:
            yield Finding(
                "warns",
                "link-insecure",
                f"the link to {_host(href)} is not secure: browsers warn of it",
                where,
                "Write https:// instead, if the site answers there.",
            )


def _words(mail: Mail) -> Iterator[Finding]:
    for link in mail.links:
        href, words = str(link.get("href")), words_of(link)
        shown = any((picture.get("alt") or "").strip() for picture in link.iter("img"))
        if not words and not shown:
            yield Finding(
                "warns",
                "link-without-words",
                "a link that nobody sees: it has no words",
                _place(mail, href),
                "Write what it leads to: [words](address).",
            )
        elif _VAGUE.fullmatch(_EDGES.sub("", words)):
            yield Finding(
                "warns",
                "link-says-nothing",
                f"the link “{words}” does not say where it leads",
                _place(mail, href, words),
                "Make the words say what one gets: “the register of transfers”, not “click here”.",
            )
        elif words.startswith(("http://", "https://")) and len(words) > LONG_ADDRESS and not _in_notes(link):
            yield Finding(
                "warns",
                "link-bare",
                f"a bare address of {len(words)} characters; nobody can read it aloud or tell what it is",
                _place(mail, href, words),
                "Write [words](address).",
            )


def _in_notes(link: object) -> bool:
    """Sources in notes are cited by their address."""
    return any("notes" in str(above.get("class") or "").split() for above in link.iterancestors())  # type: ignore[attr-defined]


def _same_words(mail: Mail) -> Iterator[Finding]:
    targets: dict[str, dict[str, str]] = defaultdict(dict)
    for link in mail.links:
        href, words = str(link.get("href")), words_of(link)
        if not href.startswith("#") and len(_EDGES.sub("", words)) > 1 and not _VAGUE.fullmatch(words):
            targets[words.casefold()].setdefault(href.rstrip("/"), words)
    for found in targets.values():
        if len(found) > 1:
            words, href = next(iter(found.values())), list(found)[-1]
            yield Finding(
                "warns",
                "link-same-words",
                f"“{words}” leads to {len(found)} different places",
                _place(mail, href, words),
                "Give each link words of its own.",
            )


def _dead(mail: Mail, facts: Facts) -> Iterator[Finding]:
    unknown = []
    for url in addresses(mail):
        if is_reserved(_host(url)):
            yield Finding(
                "notes",
                "link-example",
                f"{_host(url)} is a name for examples: no such site exists",
                _place(mail, url),
                "Put the real address in, unless this is a trial.",
            )
            continue
        answer = (facts.links or {}).get(url)
        if answer is not None and answer.state == "dead":
            text = f"the link is dead: {answer.why}"
            yield Finding("warns", "link-dead", text, _place(mail, url), "Correct the address, or take the link out.")
        elif answer is not None and answer.state == "unknown":
            unknown.append((url, answer.why))
    for url, why in unknown:
        text = f"the link could not be checked: {why}"
        yield Finding("notes", "link-unchecked", text, _place(mail, url), "Open it yourself, in a private window.")


def asked(mail: Mail) -> list[str]:
    """The addresses worth asking for: those that may exist."""
    return [url for url in addresses(mail) if not is_reserved(_host(url))]


def is_reserved(host: str) -> bool:
    """Whether a name is kept free for examples: it leads nowhere, and nobody is asked."""
    return any(host == name or host.endswith(f".{name}") for name in RESERVED)
