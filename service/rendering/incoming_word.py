"""A Word file (.docx) as Markdown of ours: its words, notes, lists, tables and pictures, not its styles."""

import re
from typing import Any
from xml.parsers.expat import ExpatError

import mammoth
from lxml import etree
from lxml.etree import _Element as Element

from service.rendering import incoming_numbering, incoming_zip
from service.rendering.drafts import Draft
from service.rendering.incoming_cleaning import parsed
from service.rendering.incoming_html import draft_of
from service.rendering.incoming_numbering import W
from service.rendering.incoming_pictures import INSIDE
from service.rendering.incoming_report import Report, quoted
from service.rendering.incoming_word_parts import Parts, numbering_part
from service.rendering.problems import RenderError

_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='Quote'] => blockquote > p:fresh
p[style-name='Intense Quote'] => blockquote > p:fresh
p[style-name='Block Text'] => blockquote > p:fresh
p[style-name='caption'] => p.caption:fresh
r[style-name='Emphasis'] => em
r[style-name='Subtle Emphasis'] => em
r[style-name='Intense Emphasis'] => em
u => u
"""
_BLOCK = re.compile(r"<(?=(?:p|h[1-6]|li|table|tr|blockquote)[ >])")
_UNKNOWN = re.compile(r"An unrecognised element was ignored: (?:\{[^}]*\}|\w+:)(\w+)")
_HARMLESS = frozenset(
    [
        "permStart",
        "permEnd",
        "fldData",
        "pgNum",
        "separator",
        "continuationSeparator",
        "oMathPara",
        "ptab",
        "lock",
        "path",
    ]
)
_BROKEN = (
    KeyError,
    ValueError,
    AttributeError,
    TypeError,
    IndexError,
    OSError,
    ExpatError,
    RecursionError,
    RuntimeError,
)


def draft_from_word(content: bytes, *, stem: str = "picture", called: str = "the file") -> Draft:
    """Markdown from a Word file. Raises RenderError for what cannot be read, with what to do."""
    found = incoming_zip.entries(content, called)
    report = Report(numbered=False)
    names = incoming_zip.part_names(found, called)
    for what in ("header", "footer"):
        for words in dict.fromkeys(_text(incoming_zip.parsed(found[name], called)) for name in names.get(what, [])):
            if words:
                report.at(None, f"the {what} was left out, for the design has its own: {quoted(words)}")
    parts = _prepared(found, names, called)
    pictures: dict[str, bytes] = {}
    try:
        result: Any = mammoth.convert_to_html(
            incoming_zip.packed(found),
            style_map=_STYLES,
            convert_image=_keeping(pictures),
            include_embedded_style_map=False,
            external_file_access=False,
        )
    except _BROKEN:  # whatever a damaged file makes of its reader
        raise RenderError([f"{called} is damaged or nested too deeply; open it in Word and save it again"]) from None
    _tell_unknown(result.messages, report)
    html = _BLOCK.sub("\n<", result.value)  # lines by which the report is put in order
    if not html.strip():
        raise RenderError([f"there are no words in {called}; write some text, or choose another file"])
    page = parsed(html, marked=True)
    return draft_of(page, report, stem, given=pictures, counts=parts.counts, remarks=parts.remarks)


def _prepared(found: dict[str, bytes], names: dict[str, list[str]], called: str) -> Parts:
    """The parts that hold text, ready for mammoth."""

    def root_of(what: str) -> Element | None:
        return incoming_zip.parsed(found[names[what][0]], called) if names.get(what) else None

    comments = root_of("comments")
    parts = Parts(
        incoming_numbering.read(root_of("numbering"), root_of("styles")),
        {one.get(f"{W}id") or "": (one.get(f"{W}author") or "", _text(one)) for one in comments}
        if comments is not None
        else {},
    )
    for what in ("document", "footnotes", "endnotes"):
        if (root := root_of(what)) is not None:
            parts.prepare(root, counted=what == "document")
            found[names[what][0]] = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    found[next(iter(names.get("numbering", [])), "word/numbering.xml")] = numbering_part()
    return parts


def _text(element: Element) -> str:
    paragraphs = ("".join(text.text or "" for text in paragraph.iter(f"{W}t")) for paragraph in element.iter(f"{W}p"))
    return " ".join(" ".join(paragraphs).split())


def _keeping(pictures: dict[str, bytes]) -> Any:
    """A converter that keeps each picture's bytes and names it in the HTML."""

    def keep(image: Any) -> dict[str, str]:
        name = str(len(pictures) + 1)
        try:
            with image.open() as file:
                pictures[name] = file.read()
        except (KeyError, OSError, ValueError):
            pictures[name] = b""
        return {"src": f"{INSIDE}{name}"}

    return mammoth.images.img_element(keep)


def _tell_unknown(messages: Any, report: Report) -> None:
    unknown = {found.group(1) for message in messages if (found := _UNKNOWN.match(message.message))}
    for name in sorted(unknown - _HARMLESS):
        report.at(None, f"what Word calls “{name}” was left out; look whether something is missing")
