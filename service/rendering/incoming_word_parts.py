"""Makes the XML of a Word file ready for mammoth: what it would lose without a sound is put into words or told, at its place.

A private character in a run of its own marks each place; it comes out in the HTML where the words around it do.
"""

import re
from collections.abc import Mapping
from copy import deepcopy

from lxml import etree
from lxml.etree import _Element as Element

from service.rendering.incoming_numbering import Numbering, W
from service.rendering.incoming_report import quoted, without_private

FIRST = 0x100000
_LAST = 0x10FFFD
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_V = "urn:schemas-microsoft-com:vml"
_UNWRAPPED = (f"{W}fldSimple", f"{W}dir", f"{W}bdo", f"{W}smartTag", f"{W}customXml")
_DEEPER = re.compile(r"list (?:bullet|number|continue) ([2-5])")
_HEADS = ("heading ", "heading", "title", "berschrift")


class Parts:
    """The parts of one file on their way. `remarks` and `counts`: what the characters that were put in stand for."""

    def __init__(self, numbering: Numbering, comments: Mapping[str, tuple[str, str]]) -> None:
        self.remarks: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self._numbering = numbering
        self._comments = comments

    def prepare(self, root: Element, *, counted: bool) -> None:
        """Change a part in place. `counted`: its paragraphs may have numbers."""
        for text in root.iter(f"{W}t", f"{W}delText", f"{_M}t"):
            text.text = without_private(text.text or "")
        for name in _UNWRAPPED:
            for element in list(root.iter(name)):
                _unwrap(element)
        self._ruby(root)
        self._contents(root)
        self._text_boxes(root)
        self._formulas(root)
        self._changes(root)
        self._comment_marks(root)
        self._drawings(root)
        if counted:
            for paragraph in list(root.iter(f"{W}p")):
                self._number(paragraph)

    def _letter(self) -> str:
        return chr(min(_LAST, FIRST + len(self.remarks) + len(self.counts)))

    def _remark(self, text: str) -> Element:
        letter = self._letter()
        self.remarks[letter] = text
        return _run(letter)

    def _number(self, paragraph: Element) -> None:
        """Write what Word would draw: a label before headings and where Markdown has no such count, a count for items."""
        number = self._numbering.number(paragraph)
        properties = _properties(paragraph)
        for old in list(properties.iterchildren(f"{W}numPr")):
            properties.remove(old)
        if number is None:
            _set_number(properties, "0", 0)
            return
        if self._numbering.style_name(paragraph).startswith(_HEADS) or not number.simple:
            if number.label:
                properties.addnext(_run(f"{number.label} "))
            _set_number(properties, "0", 0)
            return
        deeper = _DEEPER.fullmatch(self._numbering.style_name(paragraph))
        level = int(deeper.group(1)) - 1 if deeper else number.level
        _set_number(properties, "1" if number.kind == "bullet" else "2", min(level, 4))
        if number.kind != "bullet":
            letter = self._letter()
            self.counts[letter] = number.count
            properties.addnext(_run(letter))
            if number.kind not in ("decimal", "decimalZero"):
                properties.addnext(self._remark(f"the item {number.label} of a list is counted by numbers now"))

    def _changes(self, root: Element) -> None:
        for deleted in list(root.iter(f"{W}del")):
            if (words := quoted(_text(deleted, f"{W}delText", f"{W}t"))) and _in_paragraph(deleted):
                deleted.addprevious(self._remark(f"deleted words were left out: {words}"))
        for inserted in list(root.iter(f"{W}ins")):
            if (words := quoted(_text(inserted, f"{W}t"))) and _in_paragraph(inserted):
                inserted.addprevious(self._remark(f"inserted words not yet accepted were kept: {words}"))

    def _comment_marks(self, root: Element) -> None:
        for mark in list(root.iter(f"{W}commentReference")):
            author, words = self._comments.get(mark.get(f"{W}id") or "", ("", ""))
            run = mark.getparent()
            if run is not None and run.tag == f"{W}r":
                by = f" by {author}" if author else ""
                run.addprevious(self._remark(f"a comment{by} was left out: {quoted(words) or 'it is empty'}"))

    def _text_boxes(self, root: Element) -> None:
        """Words in boxes go below the paragraph to which the box is tied; mammoth sees them only in the older notation."""
        for alternative in list(root.iter(f"{_MC}AlternateContent")):
            choice, fallback = alternative.find(f"{_MC}Choice"), alternative.find(f"{_MC}Fallback")
            boxes = [] if choice is None else list(choice.iter(f"{W}txbxContent"))
            if boxes and (fallback is None or next(fallback.iter(f"{W}txbxContent"), None) is None):
                fallback = etree.SubElement(alternative, f"{_MC}Fallback") if fallback is None else fallback
                shape = etree.SubElement(etree.SubElement(fallback, f"{W}pict"), f"{{{_V}}}shape")
                for box in boxes:
                    etree.SubElement(shape, f"{{{_V}}}textbox").append(deepcopy(box))
            if choice is not None and fallback is not None:
                alternative.remove(choice)
        for box in list(root.iter(f"{W}txbxContent")):
            words = quoted(_text(box, f"{W}t"))
            run = next((up for up in box.iterancestors() if up.tag == f"{W}r"), None)
            if words and run is not None:
                run.addprevious(self._remark(f"the words of a text box stand below this paragraph now: {words}"))

    def _formulas(self, root: Element) -> None:
        for formula in list(root.iter(f"{_M}oMath")):
            words = _text(formula, f"{_M}t")
            outer = formula.getparent()
            at = outer if outer is not None and outer.tag == f"{_M}oMathPara" else formula
            at.addprevious(self._remark("a formula became plain letters; look at it, or put it in as a picture"))
            at.addprevious(_run(words))
            _remove(formula)

    def _drawings(self, root: Element) -> None:
        for data in list(root.iter(f"{_A}graphicData")):
            kind = (data.get("uri") or "").rsplit("/", 1)[-1]
            run = next((up for up in data.iterancestors() if up.tag == f"{W}r"), None)
            if run is not None and kind in ("chart", "chartex", "diagram", "ink"):
                what = "a chart" if kind.startswith("chart") else "a drawing"
                run.addprevious(self._remark(f"{what} cannot be shown; save it as PNG"))
        for picture in list(root.iter(f"{_A}blip")):
            run = next((up for up in picture.iterancestors() if up.tag == f"{W}r"), None)
            if run is not None and picture.get(f"{_R}link") and not picture.get(f"{_R}embed"):
                run.addprevious(self._remark("a picture is only linked and did not come with the file; insert it"))
                _remove(picture)
        for chunk in list(root.iter(f"{W}altChunk")):
            paragraph = etree.Element(f"{W}p")
            paragraph.append(self._remark("another file inside this one was left out; copy its text"))
            chunk.addprevious(paragraph)

    def _ruby(self, root: Element) -> None:
        """Readings above Chinese or Japanese letters: the letters stay."""
        for ruby in list(root.iter(f"{W}ruby")):
            base, run = ruby.find(f"{W}rubyBase"), ruby.getparent()
            if run is not None and run.tag == f"{W}r":
                run.addprevious(self._remark(f"readings were left out: {quoted(_text(ruby.find(f'{W}rt'), f'{W}t'))}"))
                for part in list(base) if base is not None else ():
                    run.addprevious(part)
                _remove(ruby)

    def _contents(self, root: Element) -> None:
        """Word's table of contents: its page numbers mean nothing in a mail."""
        told = False
        for paragraph in list(root.iter(f"{W}p")):
            name = self._numbering.style_name(paragraph)
            if not name.startswith(("toc ", "toc1", "toc2", "toc3")) and not name.startswith("toc heading"):
                continue
            for mark in list(paragraph.iter(f"{W}r", f"{W}hyperlink")):
                if mark.getparent() is not None:
                    _remove(mark)
            if not told:
                paragraph.append(
                    self._remark("Word's table of contents was left out, for its pages mean nothing in a mail")
                )
            told = True


def _run(text: str) -> Element:
    run = etree.Element(f"{W}r")
    holder = etree.SubElement(run, f"{W}t")
    holder.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    holder.text = text
    return run


def _properties(paragraph: Element) -> Element:
    found = paragraph.find(f"{W}pPr")
    if found is None:
        found = etree.Element(f"{W}pPr")
        paragraph.insert(0, found)
    return found


def _set_number(properties: Element, identity: str, level: int) -> None:
    number = etree.SubElement(properties, f"{W}numPr")
    etree.SubElement(number, f"{W}ilvl").set(f"{W}val", str(level))
    etree.SubElement(number, f"{W}numId").set(f"{W}val", identity)


def _text(element: Element | None, *names: str) -> str:
    return "".join(part.text or "" for part in element.iter(*names)) if element is not None else ""


def _in_paragraph(element: Element) -> bool:
    parent = element.getparent()
    return parent is not None and parent.tag in (f"{W}p", f"{W}hyperlink", f"{W}sdtContent", f"{W}ins")


def _unwrap(element: Element) -> None:
    parent = element.getparent()
    if parent is None:
        return
    for child in list(element):
        if child.tag not in (f"{W}smartTagPr", f"{W}customXmlPr", f"{W}fldData"):
            element.addprevious(child)
    parent.remove(element)


def _remove(element: Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def numbering_part() -> bytes:
    """A numbering part with one rule for bullets (1) and one for counts (2): all that is left to decide afterwards."""
    root = etree.Element(f"{W}numbering", nsmap={"w": W[1:-1]})
    for identity, kind in (("1", "bullet"), ("2", "decimal")):
        abstract = etree.SubElement(root, f"{W}abstractNum")
        abstract.set(f"{W}abstractNumId", identity)
        for at in range(9):
            level = etree.SubElement(abstract, f"{W}lvl")
            level.set(f"{W}ilvl", str(at))
            etree.SubElement(level, f"{W}numFmt").set(f"{W}val", kind)
    for identity in ("1", "2"):
        num = etree.SubElement(root, f"{W}num")
        num.set(f"{W}numId", identity)
        etree.SubElement(num, f"{W}abstractNumId").set(f"{W}val", identity)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
