"""Builds the mail's body: an author's safe HTML, and around it the tables and classes of containers, quotations and data.

The only place that writes classes. Each stretch of an author's HTML goes through `sanitising` by itself, so that none can reach
out of its container. Total: whatever the checks let through is built without losing a word.
"""

from collections.abc import Callable

from lxml.html import HtmlElement, builder
from markdown_it import MarkdownIt
from markdown_it.token import Token

from service.rendering import commonmark, containers
from service.rendering.containers import Container, Part
from service.rendering.phrases import phrases
from service.rendering.pictures import MAX_WIDTH
from service.rendering.sanitising import sanitise

PORTRAIT = 72
_CELL = 24
"""What a design may put around the words of a cell, on both sides together."""
_GAP = 12
"""Between columns: the inliner puts a blank between them, and without room for it the last would stand below."""

_DASHES = ("—", "―")
_STACKING = "display:inline-block;width:100%;max-width:{width}px;vertical-align:top;box-sizing:border-box"


def build(md: MarkdownIt, tokens: list[Token], language: str = "en") -> HtmlElement:
    """A `div` with everything these tokens say. The list of a `::: contents` stays empty until `contents.fill`."""
    for at, token in enumerate(tokens):
        if token.type == "blockquote_close":
            _part_source(tokens, at)
    tree = _Builder(md).tree(containers.cut(tokens), MAX_WIDTH)
    _name_sources(tree)
    _mark_data(tree, phrases(language).table)
    return tree


class _Builder:
    def __init__(self, md: MarkdownIt) -> None:
        self._md = md
        self._builders: dict[str, Callable[[Container, int], HtmlElement]] = {
            "contents": self._contents,
            "callout": self._callout,
            "button": self._button,
            "columns": self._columns,
            "author": self._author,
            "card": self._card,
        }

    def tree(self, parts: list[Part], width: int) -> HtmlElement:
        """A `div` with these parts, whose pictures fit into this width."""
        tree: HtmlElement = builder.DIV()
        for part in parts:
            if isinstance(part, Container):
                build = self._builders.get(part.name)
                if build is None:
                    _move(self.tree(part.parts, width), tree)
                else:
                    tree.append(build(part, width))
            else:
                inner = sanitise(commonmark.html_of(self._md, part))
                _fit(inner, width)
                _move(inner, tree)
        return tree

    def _contents(self, container: Container, width: int) -> HtmlElement:
        contents: HtmlElement = builder.DIV({"class": "contents"})
        _move(self.tree(container.parts, width), contents)
        return contents

    def _callout(self, container: Container, width: int) -> HtmlElement:
        cell = builder.TD({"class": "callout-cell"})
        if container.title is not None:
            title = builder.P({"class": "callout-title"})
            _move(sanitise(commonmark.inline_html_of(self._md, container.title.children or [])), title)
            cell.append(title)
        _move(self.tree(container.parts, width - 2 * _CELL), cell)
        return _table("callout", [cell])

    def _button(self, container: Container, width: int) -> HtmlElement:
        tree, row = self.tree(container.parts, width), builder.DIV({"class": "button-row"})
        link = tree.find(".//a[@href]")
        if link is None or link.text_content().strip() != tree.text_content().strip():
            _move(tree, row)
            return row
        link.set("class", "button")
        link.tail = None
        row.append(link)
        return row

    def _columns(self, container: Container, width: int) -> HtmlElement:
        columns = container.parts
        each = (width + _GAP) // max(1, len(columns)) - _GAP
        style = _STACKING.format(width=each)
        row: HtmlElement = builder.DIV({"class": "columns"})
        for column in columns:
            # The width on the element itself: a design decides the look, but not whether columns stack on a telephone.
            cell = builder.DIV({"class": "column", "style": style})
            parts = column.parts if isinstance(column, Container) and column.name == "column" else [column]
            _move(self.tree(parts, each - _CELL), cell)
            row.append(cell)
        return row

    def _card(self, container: Container, width: int) -> HtmlElement:
        tree = self.tree(container.parts, width)
        cells = []
        first = tree[0] if len(tree) and not (tree.text or "").strip() else None
        if first is not None and _is_picture(first):
            picture = builder.TD({"class": "card-picture"})
            alone = _alone(first)
            _move(first if first.tag == "p" else alone, picture)
            cells.append(picture)
        if len(tree) or (tree.text or "").strip():
            words = builder.TD({"class": "card-words"})
            _move(tree, words)
            cells.append(words)
        return _table("card", cells, stacked=True)

    def _author(self, container: Container, width: int) -> HtmlElement:
        tree = self.tree(_line_by_line(container.parts), width)
        cells = []
        if (portrait := _portrait(tree)) is not None:
            _fit(_alone(portrait), PORTRAIT, exact=True)
            cells.append(
                builder.TD({"class": "author-portrait", "width": str(PORTRAIT + 16), "valign": "top"}, portrait)
            )
        words = builder.TD({"class": "author-words", "valign": "top"})
        for child in _lines(tree):
            words.append(child)
        cells.append(words)
        return _table("author", cells)


def _table(name: str, cells: list[HtmlElement], *, stacked: bool = False) -> HtmlElement:
    """A table for the layout: Outlook for Windows knows no other box. `stacked` cells are rows. Its own width, not that of
    what stands in it, decides."""
    look = {"role": "presentation", "class": name, "style": "table-layout:fixed"}
    table: HtmlElement = builder.TABLE(look | {"width": "100%", "cellpadding": "0", "cellspacing": "0", "border": "0"})
    for row in [[cell] for cell in cells] if stacked else [cells]:
        table.append(builder.TR(*row))
    return table


def _move(source: HtmlElement, target: HtmlElement) -> None:
    """Everything in one element to the end of another."""
    _say(source.text, target)
    source.text = None
    for child in list(source):
        target.append(child)


def _say(text: str | None, target: HtmlElement) -> None:
    if text and len(target):
        target[-1].tail = (target[-1].tail or "") + text
    elif text:
        target.text = (target.text or "") + text


def _alone(element: HtmlElement) -> HtmlElement:
    """The element in a `div` of its own; what followed it stays where it was."""
    if element.getparent() is not None:
        element.drop_tree()
    element.tail = None
    return builder.DIV(element)


def _is_picture(element: HtmlElement) -> bool:
    """Whether an element shows one picture and says nothing but, perhaps, its caption."""
    if element.tag == "figure":
        return True
    return element.tag == "p" and not element.text_content().strip() and len(element.findall(".//img")) == 1


def _portrait(tree: HtmlElement) -> HtmlElement | None:
    """The picture, with its link if it has one, that comes before all words; taken out of the tree."""
    image = tree.find(".//img")
    if image is None or any(text.strip() for text in image.xpath("preceding::text()")):
        return None
    around = image.getparent()
    portrait = around if around.tag == "a" and not around.text_content().strip() else image
    block = portrait.getparent()
    _alone(portrait)
    if block is not tree and not block.text_content().strip() and block.find(".//img") is None:
        block.drop_tree()
    return portrait


def _lines(tree: HtmlElement) -> list[HtmlElement]:
    """Each line of an author's paragraphs as a paragraph, the first with the name; other blocks as they are."""
    found: list[HtmlElement] = []
    line: HtmlElement = builder.P()

    def end_line() -> None:
        nonlocal line
        if len(line) or (line.text or "").strip():
            found.append(line)
        line = builder.P()

    def add(paragraph: HtmlElement) -> None:
        _say((paragraph.text or "").lstrip(), line)
        for child in list(paragraph):
            if child.tag == "br":
                end_line()
                _say((child.tail or "").lstrip(), line)
            else:
                line.append(child)
        end_line()

    _say((tree.text or "").strip(), line)
    for block in list(tree):
        tail, block.tail = (block.tail or "").strip(), None
        if block.tag == "p":
            add(block)
        else:
            end_line()
            found.append(block)
        _say(tail, line)
    end_line()
    for at, paragraph in enumerate(one for one in found if one.tag == "p"):
        paragraph.set("class", "author-line" if at else "author-name")
    return found


def _line_by_line(parts: list[Part]) -> list[Part]:
    """Every line that the author broke stays a line: an address is not a paragraph."""
    for part in parts:
        for token in part if isinstance(part, list) else ():
            for child in token.children or []:
                if child.type == "softbreak":
                    child.type, child.tag = "hardbreak", "br"
    return parts


def _fit(tree: HtmlElement, width: int, *, exact: bool = False) -> None:
    """Pictures no wider than their place: Outlook for Windows widens the place instead."""
    for image in tree.iter("img"):
        told, height = str(image.get("width") or ""), str(image.get("height") or "")
        if not (told.isdigit() and height.isdigit() and int(told)):
            if exact:
                image.set("width", str(width))
        elif int(told) > width or exact:
            image.set("height", str(max(1, round(int(height) * width / int(told)))))
            image.set("width", str(width))


def _part_source(tokens: list[Token], close: int) -> None:
    """Give a last line that begins with a dash, in a quotation, a paragraph of its own."""
    if close < 3 or tokens[close - 1].type != "paragraph_close" or tokens[close - 2].type != "inline":
        return
    children = tokens[close - 2].children or []
    breaks = [at for at, child in enumerate(children) if child.type in ("softbreak", "hardbreak")]
    if not breaks or not children[breaks[-1] + 1].content.startswith(_DASHES):
        return
    if sum(child.nesting for child in children[: breaks[-1]]):
        return
    inline = tokens[close - 2]
    line = (inline.map or [0, 1])[0] + len(breaks)
    source = Token("inline", "", 0, children=children[breaks[-1] + 1 :], map=[line, line + 1], level=inline.level)
    inline.children = children[: breaks[-1]]
    tokens[close:close] = [Token("paragraph_open", "p", 1), source, Token("paragraph_close", "p", -1)]


def _name_sources(tree: HtmlElement) -> None:
    """The last paragraph of a quotation, where it begins with a dash, says whose words it were."""
    for quotation in tree.iter("blockquote"):
        last = quotation[-1] if len(quotation) > 1 else None
        if last is not None and last.tag == "p" and last.text_content().strip().startswith(_DASHES):
            last.set("class", "quote-source")


def _mark_data(tree: HtmlElement, called: str) -> None:
    """Tables that an author wrote hold data; their headings say for what, so that screen readers can tell. One that is wider than
    a telephone scrolls by itself, also by keyboard, where it would widen the whole mail."""
    for table in list(tree.iter("table")):
        if table.get("class"):
            continue
        table.set("class", "data")
        if not any(one.tag == "table" and one.get("class") == "data" for one in table.iterancestors()):
            label = (table.findtext("caption") or "").strip() or called
            frame = builder.DIV({"style": "overflow-x:auto", "role": "region", "tabindex": "0", "aria-label": label})
            table.addprevious(frame)
            frame.tail, table.tail = table.tail, None
            frame.append(table)
        rows = list(table.iter("tr"))
        for row in rows:
            for head in row.iterchildren("th"):
                if not head.get("scope"):
                    head.set("scope", "col" if row is rows[0] else "row")
