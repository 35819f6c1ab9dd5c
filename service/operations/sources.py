"""The files that authors hand in, beside Markdown: read into a draft, with what to do where one cannot be read."""

import html
import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from service.errors import Invalid
from service.rendering import incoming_decoding, incoming_zip
from service.rendering.drafts import Draft, draft_from_text
from service.rendering.incoming_html import draft_from_html
from service.rendering.incoming_word import draft_from_word
from service.rendering.problems import RenderError

HTML = (".html", ".htm")
WORD = (".docx",)
KINDS = ".md, .txt, .html or .docx"
_OTHERS = {
    ".doc": "is a Word file of the old kind; open it in Word and save it as .docx",
    ".docm": "is a Word file with macros; open it in Word and save it as .docx",
    ".dotx": "is a Word template; open it in Word and save it as .docx",
    ".rtf": "is a rich-text file; open it in a word processor and save it as .docx",
    ".odt": "is an OpenDocument file; open it in LibreOffice and save it as .docx",
    ".pages": "is a Pages file; export it from Pages as Word (.docx)",
    ".wps": "is a file of WPS or Works; open it there and save it as .docx",
    ".pdf": "is a PDF; use the file from which it was made",
    ".mht": "is a web archive; save the page as .html instead",
    ".mhtml": "is a web archive; save the page as .html instead",
    ".eml": "is a saved mail; open it, copy its text, and give that to `broadsheet draft -`",
    ".msg": "is a saved mail; open it, copy its text, and give that to `broadsheet draft -`",
}
_MAGIC = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"))


def is_incoming(path: Path) -> bool:
    """Whether a file is read by what this module knows."""
    return path.suffix.lower() in (*HTML, *WORD)


def refusal(path: Path) -> str:
    """What to say of a file of another kind."""
    told = _OTHERS.get(path.suffix.lower())
    return f"{path.name} {told}." if told else f"{path.name}: an issue is written as {KINDS}."


def read_incoming(path: Path) -> Draft:
    """A draft from an HTML or Word file. Raises Invalid with what is wrong and what to do."""
    largest = incoming_zip.LARGEST if path.suffix.lower() in WORD else incoming_decoding.LARGEST
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "is not there"
            raise Invalid(f"{path.name} {what}. Name a {KINDS} file.")
        if path.stat().st_size > largest:
            raise Invalid(
                f"{path.name} has {path.stat().st_size / 1e6:,.0f} MB; such a file may have {largest // 1_000_000}."
            )
        content = path.read_bytes()
    except OSError as error:
        raise Invalid(f"{path.name} cannot be read: {error.strerror}.") from None
    reader = draft_from_word if path.suffix.lower() in WORD else draft_from_html
    try:
        return reader(content, stem=stem_of(path), called=path.name)
    except RenderError as error:
        raise Invalid(*(f"{problem}." for problem in error.problems)) from None


def read_pasted(content: bytes) -> Draft:
    """A draft from HTML that came in by standard input; text without any markup is read as such. Raises Invalid."""
    try:
        if b"<" not in content:
            text, _told = incoming_decoding.decoded(content, "the pasted text")
            return draft_from_text(text)
        return draft_from_html(content, called="the pasted text")
    except RenderError as error:
        raise Invalid(*(f"{problem}." for problem in error.problems)) from None


def stem_of(path: Path) -> str:
    """How the names of the pictures inside a file begin: like the file, so that two letters can lie in one folder."""
    return re.sub(r"[^\w-]+", "-", path.stem).strip("-_")[:40] or "picture"


def shown(page: str, pictures: Mapping[str, bytes], folder: Path) -> str:
    """A rendered page with the pictures that lie in no folder yet inside it, to be looked at."""
    for name, content in pictures.items():
        kind = next((kind for start, kind in _MAGIC if content.startswith(start)), "")
        address = html.escape((folder.resolve() / name).as_uri())
        page = page.replace(f'"{address}"', f'"data:{kind};base64,{b64encode(content).decode()}"')
    return page
