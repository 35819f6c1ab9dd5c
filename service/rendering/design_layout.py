"""A design's page: that it holds every slot where it belongs, what Outlook for Windows needs, and nothing that acts or loads."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser

from service.rendering import design_css
from service.rendering.design_faults import IN_LAYOUT, LAYOUT, NEEDED, ONCE, SLOT, Fault, slots_in

DOCTYPE = "<!DOCTYPE html>"
_TABLE = {"table", "thead", "tbody", "tfoot", "tr", "td", "th"}
_VOID = {"area", "br", "col", "hr", "img", "meta", "wbr"}
_FORBIDDEN = {
    **dict.fromkeys(("script", "noscript"), "no mail program runs it, and most refuse the mail"),
    **dict.fromkeys(("form", "input", "button", "select", "textarea", "label"), "forms do not work in mails"),
    **dict.fromkeys(
        ("iframe", "frame", "object", "embed", "svg", "math", "template"), "mail programs drop or refuse it"
    ),
    **dict.fromkeys(("link", "base", "video", "audio", "source"), "a mail loads nothing"),
}
_LOADING = ("src", "srcset", "background", "poster", "data", "ping", "action", "formaction")
_IN_TEXT = ("preheader", "web_version", "logo", "name", "title", "body", "notes", "why", "leave", "postal_address")
_IN_STYLE = ("style", "mail")
_ROWS = ("web_version", "logo")
"""Slots that are rows of the table they stand in."""


@dataclass(frozen=True)
class _Open:
    tag: str
    line: int
    classes: tuple[str, ...]


class _Page(HTMLParser):
    """Reads a layout; in Outlook's comments by itself, whose tags may open in one and close in the next."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.faults: list[Fault] = []
        self.opened: list[_Open] = []
        self.placed: set[str] = set()
        self.outlook_markup = ""
        self.html: dict[str, str | None] = {}
        self.metas: set[str] = set()

    @property
    def _line(self) -> int:
        return self.getpos()[0]

    def _fault(self, text: str, line: int | None = None) -> None:
        self.faults.append(Fault(LAYOUT, self._line if line is None else line, text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if reason := _FORBIDDEN.get(tag):
            self._fault(f"<{tag}>: {reason}; take it out")
        given = dict(attrs)
        for name, value in attrs:
            self._check_attribute(tag, name, value or "")
        if tag == "html":
            self.html = given
        if tag == "meta":
            self._check_meta(given)
        if tag not in _VOID:
            self.opened.append(_Open(tag, self._line, tuple((given.get("class") or "").split())))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.opened.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self.opened and self.opened[-1].tag == tag:
            self.opened.pop()
        elif any(one.tag == tag for one in self._within(tag)):
            while (one := self.opened.pop()).tag != tag:
                self._fault(
                    f"<{one.tag}> is never closed; write </{one.tag}> before </{tag}> in line {self._line}", one.line
                )
        else:
            self._fault(f"</{tag}> closes nothing; take it out")

    def _within(self, tag: str) -> list[_Open]:
        """What a closing tag may close: nothing around the cell that it stands in, unless it is the table's own."""
        if tag in _TABLE:
            return self.opened
        cells = [at for at, one in enumerate(self.opened) if one.tag in ("td", "th")]
        return self.opened[cells[-1] + 1 :] if cells else self.opened

    def handle_data(self, data: str) -> None:
        for found in SLOT.finditer(data):
            self._place(found[1], self._line + data.count("\n", 0, found.start()), data[: found.start()])

    def handle_comment(self, data: str) -> None:
        if re.match(r"\[if [^\]]*mso", data) and "!mso" not in data:
            self.outlook_markup += "\n" * max(0, self._line - 1 - self.outlook_markup.count("\n"))
            self.outlook_markup += re.sub(r"^\[if [^\]]*\]>|<!\[endif\]$", "", data)
        elif not re.match(r"\[if|<!\[endif", data) and SLOT.search(data):
            self._fault("a slot in a comment shows nothing; move it out of the comment")

    def _place(self, slot: str, line: int, before: str) -> None:
        tags = [one.tag for one in self.opened]
        if slot in _IN_STYLE and tags[-1:] != ["style"]:
            self._fault(f"%%{slot}%% must stand in a <style> of its own", line)
        elif slot in _IN_TEXT and ("body" not in tags or tags[-1] in ("style", "title")):
            self._fault(f"%%{slot}%% must stand in the page's text, below <body>", line)
        elif slot in _IN_TEXT and slot != "preheader" and any("preheader" in one.classes for one in self.opened):
            self._fault(f"%%{slot}%% is hidden there; move it out of the preheader", line)
        elif slot in _ROWS and (tags[-1] != "table" or re.sub(r"%%(web_version|logo)%%", "", before).strip()):
            self._fault(
                f"%%{slot}%% is a row of the mail's table: it stands directly below <table>, or after </tr>", line
            )
        elif slot == "body" and "content" not in self.opened[-1].classes:
            self._fault("%%body%% must stand in an element of the class “content”; the archive looks for it", line)
        else:
            self.placed.add(slot)

    def _check_attribute(self, tag: str, name: str, value: str) -> None:
        if name.startswith("on"):
            self._fault(f"{name}=… on <{tag}> would run script; take it out")
        elif name == "hidden":
            self._fault(f"<{tag} hidden> could hide what every mail must show; take it out")
        elif name in _LOADING:
            self._fault(f"{name}=… on <{tag}> loads from elsewhere; a design has no pictures but the newsletter's logo")
        elif name == "href" and not re.match(r"https://[a-z0-9]|mailto:|#", value):
            self._fault(f"the address “{value[:60]}” must begin with https://, mailto: or #")
        elif name == "align" and value in ("left", "right"):
            self._fault(f"align={value} is wrong in Arabic and Hebrew; write %%start%% or %%end%%")
        elif name == "style":
            for one in design_css.declarations(value, self._line):
                for text in design_css.complaints(one):
                    self._fault(text)

    def _check_meta(self, given: dict[str, str | None]) -> None:
        if (given.get("http-equiv") or "").lower() == "refresh":
            self._fault("a mail leads nobody elsewhere by itself; take this <meta> out")
        self.metas.add(str(given.get("name") or given.get("http-equiv") or "").lower())


def check(layout: str) -> list[Fault]:
    """Everything that is wrong with a layout."""
    page = _Page()
    page.feed(layout)
    page.close()
    outlook = _Page()
    outlook.feed(page.outlook_markup)
    outlook.close()
    faults = [*page.faults, *outlook.faults, *_slots(layout, page.placed), *_frame(layout, page)]
    for one in (*page.opened, *outlook.opened):
        faults.append(Fault(LAYOUT, one.line, f"<{one.tag}> is never closed; write </{one.tag}> where it ends"))
    return faults


def styles(layout: str) -> Iterable[tuple[str, int]]:
    """The sheets that stand in the layout itself, with the line before each."""
    for found in re.finditer(r"<style[^>]*>(.*?)</style>", layout, re.DOTALL | re.IGNORECASE):
        if not re.fullmatch(r"\s*%%(style|mail)%%\s*", found[1]):
            yield found[1], layout.count("\n", 0, found.start(1))


def _slots(layout: str, placed: set[str]) -> Iterable[Fault]:
    lines: dict[str, int] = {}
    for name, line in slots_in(layout):
        if name not in IN_LAYOUT:
            yield Fault(LAYOUT, line, design_css.unknown_slot(name, IN_LAYOUT))
        elif name in ONCE and name in lines:
            yield Fault(LAYOUT, line, f"%%{name}%% stands in line {lines[name]} already; keep one")
        lines.setdefault(name, line)
    last = layout.rstrip().count("\n") + 1
    for name in NEEDED:
        if name not in lines:
            yield Fault(LAYOUT, last, f"the slot %%{name}%% is missing; {_WHY.get(name, 'put it where it belongs')}")


_WHY = {
    "leave": "every mail must offer a way to leave, where readers look for it: at its foot",
    "postal_address": "every mail must say from where it is sent: at its foot",
    "why": "every mail must say why its reader gets it: at its foot",
    "web_version": "write it directly below the frame's <table>, as a row",
    "logo": "write it directly below the frame's <table>, as a row",
    "mail": 'write <style data-premailer="ignore">%%mail%%</style> into the head',
    "style": "write <style>%%style%%</style> into the head",
    "body": 'write <div class="content">%%body%%</div>',
}


def _frame(layout: str, page: _Page) -> Iterable[Fault]:
    """What a page needs around its slots to be a mail."""
    if not layout.startswith(DOCTYPE):
        yield Fault(
            LAYOUT, 1, f"the first line must begin with {DOCTYPE}, spelt so: other spellings are lost on the way"
        )
    head = layout.count("\n", 0, max(0, layout.find("<html"))) + 1
    for name, value in (("lang", "%%language%%"), ("dir", "%%direction%%")):
        if page.html.get(name) != value:
            yield Fault(LAYOUT, head, f'<html> needs {name}="{value}"')
    if page.html.get("xmlns:v") != "urn:schemas-microsoft-com:vml":
        yield Fault(LAYOUT, head, 'for buttons in Outlook, <html> needs xmlns:v="urn:schemas-microsoft-com:vml"')
    for name in ("viewport", "color-scheme"):
        if name not in page.metas:
            yield Fault(LAYOUT, head, f'<meta name="{name}" …> is missing; copy it from one of our designs')
    if "o:PixelsPerInch" not in page.outlook_markup:
        yield Fault(
            LAYOUT,
            head,
            "<!--[if mso]> with o:PixelsPerInch is missing: Outlook for Windows would scale pictures; copy it from one of our designs",
        )
    if not re.search(r"<table[^>]*\swidth=\"?\d+\"?[^>]*>", page.outlook_markup):
        yield Fault(
            LAYOUT,
            head,
            "<!--[if mso]><table width=…> around the frame is missing: Outlook for Windows knows no max-width; copy it from one of our designs",
        )
    if '<style data-premailer="ignore">%%mail%%' not in layout:
        yield Fault(LAYOUT, head, 'write <style data-premailer="ignore">%%mail%%</style>, exactly so, into the head')
