"""Reads a cleaned tree into blocks: what is a heading, a paragraph, a list, a table, and how the words in it look."""

from collections.abc import Iterator, Mapping, Sequence

from lxml.html import HtmlElement

from service.rendering import incoming_links, incoming_tables
from service.rendering.contents import slug
from service.rendering.incoming_document import PLAIN, Block, Code, Heading, Listing, Paragraph, Piece, Quotation, Rule
from service.rendering.incoming_notes import Notes
from service.rendering.incoming_pictures import Pictures
from service.rendering.incoming_pieces import paragraphs, single
from service.rendering.incoming_report import Report
from service.rendering.incoming_styles import changes_looks, looks_of, style_of
from service.rendering.incoming_tags import Tags
from service.rendering.incoming_tree import words

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CONTAINERS = frozenset(
    [
        "p",
        "div",
        "body",
        "section",
        "article",
        "main",
        "header",
        "footer",
        "nav",
        "aside",
        "address",
        "figure",
        "figcaption",
    ]
)
_CONTAINERS |= {
    "center",
    "details",
    "summary",
    "fieldset",
    "legend",
    "hgroup",
    "search",
    "menu",
    "dir",
    "dl",
    "dt",
    "dd",
    "li",
    "td",
    "th",
    "tr",
    "tbody",
    "thead",
    "tfoot",
    "caption",
}
BLOCKS = _CONTAINERS | frozenset([*_HEADINGS, "ul", "ol", "table", "blockquote", "pre", "hr"])
_STYLED = {"MsoTitle": "h1", "Title": "h1", "title": "h1", "MsoQuote": "blockquote", "MsoIntenseQuote": "blockquote"}
_CAPTIONS = frozenset(["MsoCaption", "caption"])


class Reader:
    """Reads one document."""

    def __init__(
        self,
        report: Report,
        tags: Tags,
        pictures: Pictures,
        notes: Notes,
        classes: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.report = report
        self.tags = tags
        self._pictures = pictures
        self._notes = notes
        self._classes = classes
        self._holding: set[HtmlElement] = set()
        self._headings: dict[str, str] = {}

    def document(self, body: HtmlElement) -> tuple[list[Block], dict[str, Sequence[Block]]]:
        """The blocks of the body and of each note."""
        for tree in (body, *self._notes.words.values()):
            self._look_ahead(tree)
        blocks = self.blocks(body)
        return blocks, {label: self.blocks(words) for label, words in self._notes.words.items()}

    def _look_ahead(self, tree: HtmlElement) -> None:
        """Find what holds blocks, and the places that headings are known by."""
        for element in tree.iter(*BLOCKS):
            up = element.getparent()
            while up is not None and up not in self._holding:
                self._holding.add(up)
                up = up.getparent()
        for heading in tree.iter(*_HEADINGS):
            name = slug(words(heading))
            self._headings.setdefault(name, name)
            for part in heading.iter():
                for attribute in ("id", "name"):
                    if place := part.get(attribute):
                        self._headings[place] = name

    def blocks(self, element: HtmlElement, looks: frozenset[str] = PLAIN, link: str | None = None) -> list[Block]:
        """What stands inside an element, as blocks."""
        out: list[Block] = []
        waiting: list[Piece] = []

        def flush() -> None:
            out.extend(Paragraph(pieces) for pieces in paragraphs(waiting, self.tags))
            waiting.clear()

        for node in _inside(element):
            if isinstance(node, str):
                waiting.append(Piece("text", node, looks, link))
            elif node.tag in BLOCKS:
                flush()
                out += self._block(node, looks, link)
            elif node in self._holding:
                flush()
                inner, where = self._entered(node, looks, link)
                out += self.blocks(node, inner, where)
            else:
                self._inline(node, looks, link, waiting)
        flush()
        return with_captions(out)

    def _block(self, element: HtmlElement, looks: frozenset[str], link: str | None) -> list[Block]:
        style = style_of(element, self._classes)
        looks = self._looks(element, looks, style)
        kinds = str(element.get("class") or "").split()
        tag = next((_STYLED[kind] for kind in kinds if kind in _STYLED), str(element.tag))
        if tag in _HEADINGS:
            return self._heading(element, _HEADINGS[tag], link)
        if tag in ("ul", "ol"):
            return self._list(element, looks, link)
        if tag == "table":
            return incoming_tables.read(self, element, looks, link)
        if tag == "blockquote":
            inner = self.blocks(element, looks, link)
            return [Quotation(inner)] if inner else []
        if tag == "hr":
            return [Rule()]
        if tag == "pre":
            text = self.tags.hide(words(element)).strip("\n")
            return [Code(text)] if text.strip() else []
        if tag == "figure":
            return self._figure(element, looks, link)
        if tag == "dt":
            looks = looks | {"strong"}
        inner = self.blocks(element, looks, link)
        captions = not _CAPTIONS.isdisjoint(kinds)
        return [_Caption(block.pieces) if captions and isinstance(block, Paragraph) else block for block in inner]

    def _heading(self, element: HtmlElement, level: int, link: str | None) -> list[Block]:
        """A heading, or the blocks that somebody put into one."""
        rest: list[Block] = []
        pieces: list[Piece] = []
        for block in self.blocks(element, PLAIN, link):
            if isinstance(block, Paragraph) and not rest and any(piece.kind == "text" for piece in block.pieces):
                pieces += [Piece("break"), *block.pieces] if pieces else block.pieces
            else:
                rest.append(block)
        said = [piece for piece in pieces if piece.kind == "text" and piece.text.strip()]
        if said and all("strong" in piece.looks for piece in said):
            pieces = [Piece(p.kind, p.text, p.looks - {"strong"}, p.link, p.alt, p.title) for p in pieces]
        return [Heading(level, single(pieces)), *rest] if said else rest

    def _list(self, element: HtmlElement, looks: frozenset[str], link: str | None) -> list[Block]:
        items: list[list[Block]] = []
        start = _integer(element.get("start"), 1) if element.tag == "ol" else None
        if start is not None and str(element.get("type") or "1") not in ("1", ""):
            self.report.counted("letters", element, "a list counted by letters is counted by numbers now")
        for node in _inside(element):
            if isinstance(node, str) or node.tag != "li":
                blocks = [] if isinstance(node, str) else self._block(node, looks, link)
                if isinstance(node, str) and node.strip():
                    blocks = [Paragraph(pieces) for pieces in paragraphs([Piece("text", node, looks)], self.tags)]
                if blocks:
                    items.append(blocks)
                continue
            if start is not None and not items:
                start = _integer(node.get("value"), start)
            if item := self.blocks(node, self._looks(node, looks, style_of(node, self._classes)), link):
                items.append(item)
        return [Listing(start, items)] if items else []

    def _figure(self, element: HtmlElement, looks: frozenset[str], link: str | None) -> list[Block]:
        captions = [part for part in element if part.tag == "figcaption"]
        below: list[Block] = []
        for caption in captions:
            below += self.blocks(caption, looks, link)
            caption.drop_tree()
        shown = self.blocks(element, looks, link)
        captioned = [_Caption(block.pieces) if isinstance(block, Paragraph) else block for block in below]
        return [*shown, *captioned]

    def _looks(self, element: HtmlElement, looks: frozenset[str], style: Mapping[str, str]) -> frozenset[str]:
        if style and changes_looks(style):
            self.report.counted(
                "looks", element, "colours, fonts, sizes and alignment were dropped: the design decides"
            )
        return looks_of(element, looks, style)

    def _entered(
        self, element: HtmlElement, looks: frozenset[str], link: str | None
    ) -> tuple[frozenset[str], str | None]:
        """How words look inside an inline element, and where they lead."""
        style = style_of(element, self._classes)
        looks = self._looks(element, looks, style)
        if element.tag == "a" and element.get("href") is not None:
            return looks, self._address(element) or link
        return looks, link

    def _address(self, a: HtmlElement) -> str | None:
        href, told = incoming_links.address(str(a.get("href")), self.tags)
        shown = bool(words(a).strip()) or a.find(".//img") is not None
        if href is not None and href.startswith("#"):
            if (place := self._headings.get(href[1:])) is not None:
                return f"#{incoming_links.normal(place, self.tags)}"
            href, told = None, "a link within the text leads to no heading and was dropped; its words stay"
        if told and shown:
            kind = "detour" if "detour" in told else "inner" if "within" in told else ""
            if kind:
                self.report.counted(kind, a, told)
            else:
                self.report.at(a, told)
        return href

    def _inline(self, element: HtmlElement, looks: frozenset[str], link: str | None, out: list[Piece]) -> None:
        if element in self._notes.marks:
            out.append(Piece("note", self._notes.marks[element], looks - {"sup", "sub"}))
            return
        if element.tag == "br":
            out.append(Piece("break"))
            return
        if element.tag == "img":
            if picture := self._pictures.piece(element):
                out.append(Piece("picture", picture.text, PLAIN, link, picture.alt, picture.title))
            return
        self._look_at_underlining(element, link)
        looks, link = self._entered(element, looks, link)
        for node in _inside(element):
            if isinstance(node, str):
                out.append(Piece("text", node, looks, link))
            else:
                self._inline(node, looks, link, out)

    def _look_at_underlining(self, element: HtmlElement, link: str | None) -> None:
        lined = element.tag == "u" or "underline" in style_of(element, self._classes).get("text-decoration", "")
        if lined and link is None and element.tag != "a" and element.find(".//a") is None and words(element).strip():
            self.report.counted("underlined", element, "underlining was dropped: in a mail it means a link")


class _Caption(Paragraph):
    """A paragraph that says what the picture or table before it shows."""


def with_captions(blocks: Sequence[Block]) -> list[Block]:
    """Pictures with their captions; a caption that a title cannot hold stays a paragraph."""
    out: list[Block] = []
    for block in blocks:
        before = out[-1] if out else None
        if isinstance(block, _Caption) and isinstance(before, Paragraph) and _is_plain(block.pieces):
            shown = [piece for piece in before.pieces if piece.kind == "picture"]
            if len(shown) == len(before.pieces) == 1 and not shown[0].title:
                words = " ".join("".join(piece.text for piece in block.pieces).split())
                out[-1] = Paragraph([Piece("picture", shown[0].text, PLAIN, shown[0].link, shown[0].alt, words)])
                continue
        out.append(Paragraph(block.pieces) if isinstance(block, _Caption) else block)
    return out


def _is_plain(pieces: Sequence[Piece]) -> bool:
    return all(piece.kind == "text" and piece.link is None for piece in pieces)


def _inside(element: HtmlElement) -> Iterator[str | HtmlElement]:
    if element.text:
        yield element.text
    for child in element:
        if isinstance(child.tag, str):
            yield child
        if child.tail:
            yield child.tail


def _integer(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.strip().isdecimal() and len(text) < 9 else otherwise
