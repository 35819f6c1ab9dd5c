"""The plain-text part: the same words as the HTML, for who reads mail as text. Knows no style; loses no word."""

from collections.abc import Callable, Iterator

from lxml.html import HtmlElement

from service.rendering import texttable
from service.rendering.notes import BACK
from service.rendering.wrapping import WIDTH, columns, wrap

_BLOCKS = frozenset(
    [
        "blockquote",
        "caption",
        "dd",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "table",
        "ul",
    ]
)
_LAYOUT = frozenset(["callout", "card", "author"])
_UNDERLINES = {"h1": "=", "h2": "-"}

PlaceUrl = Callable[[str], str]


def blocks_of(tree: HtmlElement, place_url: PlaceUrl) -> str:
    """Everything in a tree, blocks apart by an empty line."""
    return "\n\n".join("\n".join(block) for block in _Writer(place_url).blocks(tree, WIDTH) if any(block))


def notes_of(tree: HtmlElement, place_url: PlaceUrl) -> str:
    """Numbered notes, one block each."""
    writer = _Writer(place_url)
    written = [
        "\n".join(writer.item(note, WIDTH, f"[{number}] ")) for number, note in enumerate(tree.iterfind("ol/li"), 1)
    ]
    return "\n".join(written)


def heading(text: str, sign: str) -> str:
    """A heading with a line under it."""
    lines = wrap(text)
    return "\n".join([*lines, sign * min(WIDTH, max(columns(line) for line in lines))])


class _Writer:
    def __init__(self, place_url: PlaceUrl) -> None:
        self._place_url = place_url

    def blocks(self, parent: HtmlElement, width: int) -> list[list[str]]:
        """The blocks in an element; words that stand between them make blocks of their own."""
        found: list[list[str]] = []
        loose: list[str] = [parent.text or ""]

        def flush() -> None:
            text = "".join(loose)
            loose.clear()
            if text.strip():
                found.append(_wrapped(text, width))

        for child in parent:
            if child.tag in _BLOCKS:
                flush()
                found.extend(self._block(child, width))
            elif any(inner.tag in _BLOCKS for inner in child.iter()) and child.tag != "a":
                flush()
                found.extend(self.blocks(child, width))
            else:
                loose.append(self.inline(child))
            loose.append(child.tail or "")
        flush()
        return found

    def _block(self, element: HtmlElement, width: int) -> list[list[str]]:
        tag = element.tag
        if element.get("class") in _LAYOUT:  # only we write classes
            return self._layout(element, width)
        if tag in ("ul", "ol"):
            return self._list(element, width)
        if tag == "blockquote":
            quoted = self.blocks(element, width - 2)
            return [[f"> {line}".rstrip() for at, block in enumerate(quoted) for line in ([""] if at else []) + block]]
        if tag == "pre":
            return [[f"    {line}".rstrip() for line in element.text_content().rstrip("\n").split("\n")]]
        if tag == "hr":
            return [["* * *"]]
        if tag == "table":
            return self._table(element, width)
        blocks = self.blocks(element, width)
        if tag in _UNDERLINES and blocks:
            longest = max(columns(line) for line in blocks[-1])
            blocks[-1].append(_UNDERLINES[tag] * min(width, longest))
        return blocks

    def _layout(self, element: HtmlElement, width: int) -> list[list[str]]:
        """The cells of a table that is none of data, one after the other."""
        cells = [cell for cell in element.iterfind("tr/td") if cell.get("class") != "author-portrait"]
        blocks = [block for cell in cells for block in self.blocks(cell, width)]
        if element.get("class") == "author":
            return [[line for block in blocks for line in block]]
        if element.get("class") == "callout":
            frame = [f"+{'-' * (width - 2)}+"]
            return [frame, *blocks, frame]
        return blocks

    def _list(self, element: HtmlElement, width: int) -> list[list[str]]:
        items: list[list[str]] = []
        start = str(element.get("start") or "1")
        number = int(start) if start.isascii() and start.isdigit() else 1
        for child in element:
            marker = f"{number}. " if element.tag == "ol" else "* "
            number += 1
            if child.tag == "li":
                items.append(self.item(child, width, marker))
            else:
                items.extend(self.blocks(child, width))
            if (child.tail or "").strip():
                items.append(_wrapped(child.tail or "", width))
        if (element.text or "").strip():
            items.insert(0, _wrapped(element.text or "", width))
        apart = any(item.find("p") is not None for item in element.iterfind("li"))
        return items if apart else [[line for item in items for line in item]]

    def item(self, element: HtmlElement, width: int, marker: str) -> list[str]:
        """A list's item behind its marker, its further lines indented."""
        indent = " " * len(marker)
        blocks = self.blocks(element, width - len(marker)) or [[""]]
        tight = element.find("p") is None
        lines = [line for at, block in enumerate(blocks) for line in ([] if tight or not at else [""]) + block]
        return [((marker if at == 0 else indent) + line).rstrip() for at, line in enumerate(lines)]

    def _table(self, element: HtmlElement, width: int) -> list[list[str]]:
        rows = [list(row.iterchildren("td", "th")) for row in element.iter("tr")]
        cells = [[" ".join(self.inline(cell).split()) for cell in row] for row in rows]
        right = {at for row in rows for at, cell in enumerate(row) if cell.get("align") == "right"}
        has_head = bool(rows) and all(cell.tag == "th" for cell in rows[0])
        caption = [_wrapped(self.inline(found), width) for found in element.iterfind("caption")]
        return [*caption, *texttable.lay_out(cells, right=right, has_head=has_head, width=width)]

    def inline(self, element: HtmlElement) -> str:
        """The words of an element in a line; a hard break is a line feed."""
        if element.tag == "br":
            return "\x0b"
        if element.tag == "img":
            return f"[Picture: {element.get('alt')}]" if element.get("alt") else ""
        words = "".join(self._inline_parts(element))
        href = str(element.get("href") or "") if element.tag == "a" else ""
        if href.startswith("#"):
            return "" if words.startswith(BACK) else (f"[{words}]" if href.startswith("#fn-") else words)
        if not href:
            return words
        url = self._place_url(href)
        shown = self._place_url(words.strip())
        return f"<{url}>" if shown in ("", url, url.removeprefix("mailto:")) else f"{words} <{url}>"

    def _inline_parts(self, element: HtmlElement) -> Iterator[str]:
        yield element.text or ""
        for child in element:
            separator = " " if child.tag in _BLOCKS else ""
            yield separator + self.inline(child) + separator
            yield child.tail or ""


def _wrapped(text: str, width: int) -> list[str]:
    return [line for part in text.split("\x0b") for line in wrap(part, width=width)]
