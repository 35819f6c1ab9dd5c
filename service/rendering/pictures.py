"""Pictures in the text: where each is found, how large it is shown, what is said where it cannot be seen."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from markdown_it.token import Token

from service.rendering import links
from service.rendering.placing import MARK
from service.rendering.problems import Findings

# The column of text in a 600 pixel frame: Outlook for Windows stretches the frame around anything wider.
MAX_WIDTH = 536
DECORATIVE = "decorative"


@dataclass(frozen=True)
class Picture:
    """A picture as it was stored: its public address and its size in pixels."""

    url: str
    width: int
    height: int


def images(tokens: list[Token]) -> Iterator[Token]:
    """Every picture below these tokens, in order."""
    for token in tokens:
        if token.type == "image":
            yield token
        elif token.children:
            yield from images(token.children)


def local_path(token: Token) -> str | None:
    """The path beside the Markdown that a picture means, or None where it means none."""
    source = str(token.attrs.get("src", ""))
    path = unquote(source)
    outside = path.startswith("/") or "\\" in path or ".." in path.split("/") or "\0" in path
    if not path or outside or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path) or MARK.search(path):
        return None
    return path.removeprefix("./")


def prepare(token: Token, line: int, pictures: Mapping[str, Picture], findings: Findings) -> None:
    """Give a picture its public address and size. Without words for who cannot see it, it is a problem."""
    source = str(token.attrs.get("src", ""))
    decorative = token.attrs.get("title") == DECORATIVE
    if decorative:
        del token.attrs["title"]
    elif not any(child.content.strip() for child in token.children or []):
        findings.problem(
            f"the picture {unquote(source)} says nothing to who cannot see it; write ![what it shows](…),"
            f' or ![](… "{DECORATIVE}") if it only decorates',
            line=line,
        )
    if MARK.search(source):
        findings.problem("a picture's address cannot hold a tag", line=line)
    elif source.lower().startswith("https://") and links.leads_nowhere(_host(source)):
        findings.problem(f"the picture {source} is nowhere: no site ends in .invalid", line=line)
    elif source.lower().startswith("https://"):
        findings.warning(f"the picture {source} is fetched from another site when the mail is opened", line=line)
    elif source.lower().startswith("http://"):
        findings.problem(
            f"the picture {source} is not secure; use https://, or put the file beside the Markdown", line=line
        )
    elif (path := local_path(token)) is None:
        findings.problem(
            f"the picture “{unquote(source)[:80]}” must lie beside the Markdown, or below that folder", line=line
        )
    elif path not in pictures:
        findings.problem(
            f"the picture {path} was not found beside the Markdown; put it there or correct its name", line=line
        )
    else:
        _show(token, pictures[path])


def _host(source: str) -> str | None:
    try:
        return urlsplit(source).hostname
    except ValueError:
        return "unreadable.invalid"


def _show(token: Token, picture: Picture) -> None:
    scale = min(1.0, MAX_WIDTH / max(1, picture.width))
    token.attrs |= {
        "src": picture.url,
        "width": str(max(1, round(picture.width * scale))),
        "height": str(max(1, round(picture.height * scale))),
    }
