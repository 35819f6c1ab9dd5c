"""HTML that somebody saved or pasted, from Word, Outlook, Google Docs or a browser, as Markdown of ours."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lxml.html import HtmlElement

from service.rendering import incoming_lists, incoming_notes
from service.rendering.drafts import Draft
from service.rendering.incoming_cleaning import cleaned, parsed
from service.rendering.incoming_decoding import LARGEST, decoded
from service.rendering.incoming_document import Block, Document, Heading, text_of
from service.rendering.incoming_markdown import markdown
from service.rendering.incoming_pictures import Pictures
from service.rendering.incoming_reading import Reader
from service.rendering.incoming_report import Report
from service.rendering.incoming_tags import Tags
from service.rendering.incoming_tree import texts
from service.rendering.problems import RenderError

_PRIVATE = re.compile(r"[\U000f0000-\U0010ffff]")
_INVISIBLE = re.compile(r"[\u00ad\u200b\u2060\ufeff\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")


def draft_from_html(content: bytes | str, *, stem: str = "picture", called: str = "the text") -> Draft:
    """Markdown from HTML. Raises RenderError for what cannot be read. `stem` begins the names of pictures found inside."""
    if isinstance(content, str) and len(content) > LARGEST:
        raise RenderError([f"{called} has {len(content) // 1000:,} KB; HTML may have {LARGEST // 1000:,}"])
    report = Report(numbered=True)
    text, told = decoded(content, called) if isinstance(content, bytes) else (content.replace("\x00", ""), "")
    if told:
        report.at(None, told)
    page = parsed(text)
    return draft_of(page, report, stem)


def draft_of(
    page: HtmlElement,
    report: Report,
    stem: str,
    *,
    given: Mapping[str, bytes] | None = None,
    counts: Mapping[str, int] | None = None,
    remarks: Mapping[str, str] | None = None,
) -> Draft:
    """The draft of a parsed page. What came with it beside the HTML, by name or by the private character at its place: pictures
    (`given`), the counts of items (`counts`), and what is to be told there (`remarks`)."""
    body, classes = cleaned(page, report)
    _drop_invisible(body, report, counts or {}, remarks or {})
    incoming_lists.mend(body, report)
    notes = incoming_notes.take_out(body, report)
    tags, pictures = Tags(), Pictures(report, stem, given)
    reader = Reader(report, tags, pictures, notes, classes)
    blocks, words = reader.document(body)
    blocks = _levelled(blocks, report)
    if not blocks:
        raise RenderError(["there are no words in it; write some text, or choose another file"])
    written = tags.show(markdown(Document(blocks, words)))
    first = next((block for block in blocks if isinstance(block, Heading) and block.level == 1), None)
    title = tags.show(text_of(first.pieces)) if first else None
    return Draft(written, title, report.notes(), pictures.taken)


def _drop_invisible(body: HtmlElement, report: Report, counts: Mapping[str, int], remarks: Mapping[str, str]) -> None:
    """Take invisible characters out of all texts; counts go to their items, and what was to be told at a place is told."""
    for element, name, text in list(texts(body)):
        if text.isascii() and text.isprintable():
            continue
        place = element if name == "text" else element.getparent()
        for letter in _PRIVATE.findall(text):
            if letter in remarks:
                report.at(place, remarks[letter])
            elif letter in counts:
                item = next((up for up in (place, *place.iterancestors()) if up.tag == "li"), None)
                if item is not None and item.get("value") is None:
                    item.set("value", str(counts[letter]))
        plain = _PRIVATE.sub("", text)
        clean = _INVISIBLE.sub("", plain)
        if len(clean) != len(plain):
            report.counted("invisible", place, "invisible characters (soft hyphens and the like) were taken out")
        setattr(element, name, clean)


def _levelled(blocks: Sequence[Block], report: Report) -> list[Block]:
    """A mail has one title: where several headings are of the first level, all but a title at the top go one deeper."""
    titles = [block for block in blocks if isinstance(block, Heading) and block.level == 1]
    if len(titles) < 2:
        return list(blocks)
    report.at(None, "headings went one level deeper: a mail has one title, and this text had several")
    kept = blocks[0] if blocks[0] is titles[0] else None
    return [
        replace(block, level=min(6, block.level + 1)) if isinstance(block, Heading) and block is not kept else block
        for block in blocks
    ]
