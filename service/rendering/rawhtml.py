"""HTML that an author wrote into the Markdown: keeps the tags a mail can use, and says which it took out.

The words between tags always stay, except inside script and style.
"""

import html
from html.parser import HTMLParser

from service.rendering.problems import Findings

ALLOWED = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "dd",
        "del",
        "div",
        "dl",
        "dt",
        "em",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
        "var",
    ]
)
SWALLOWING = ("script", "style")


def clean(content: str, line: int, findings: Findings) -> str:
    """The part of raw HTML that may stay. A comment or script that never ends would swallow the rest: a problem."""
    if _swallows_the_rest(content):
        findings.problem("the comment <!-- never ends; close it with -->", line=line)
        return ""
    cleaner = _Cleaner(line, findings)
    cleaner.feed(content)
    cleaner.close()
    if cleaner.swallowing:
        findings.problem(f"<{cleaner.swallowing}> never ends and would swallow what follows; take it out", line=line)
    return "".join(cleaner.kept)


def opens(content: str) -> str | None:
    """The name, "script" or "style", when this piece of raw HTML opens one."""
    return next((name for name in SWALLOWING if content.lower().startswith(f"<{name}")), None)


def hrefs(content: str) -> list[str]:
    """Every link destination in raw HTML."""
    if _swallows_the_rest(content):
        return []
    cleaner = _Cleaner(1, Findings())
    cleaner.feed(content)
    cleaner.close()
    return cleaner.hrefs


def _swallows_the_rest(content: str) -> bool:
    return content.count("<!--") > content.count("-->")


class _Cleaner(HTMLParser):
    def __init__(self, line: int, findings: Findings) -> None:
        super().__init__(convert_charrefs=True)
        self.kept: list[str] = []
        self.swallowing: str | None = None
        self.hrefs: list[str] = []
        self._first_line = line
        self._findings = findings

    @property
    def _line(self) -> int:
        return self._first_line + self.getpos()[0] - 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SWALLOWING:
            self.swallowing = tag
        self.hrefs += [value or "" for name, value in attrs if tag == "a" and name == "href"]
        if tag == "img":
            self._findings.problem("write a picture as ![what it shows](file.png), not as <img>", line=self._line)
        elif tag not in ALLOWED:
            self._findings.warning(f"<{tag}> was taken out: mails cannot hold it", line=self._line)
        else:
            for name, _value in attrs:
                if name.startswith("on") or name in ("style", "class", "srcdoc"):
                    self._findings.warning(f"{name}=… was taken out of <{tag}>: the design decides", line=self._line)
            self.kept.append(f"<{tag}{''.join(_attribute(*pair) for pair in attrs)}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.swallowing = None

    def handle_endtag(self, tag: str) -> None:
        if tag == self.swallowing:
            self.swallowing = None
        if tag in ALLOWED:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.swallowing:
            self.kept.append(html.escape(data, quote=False))

    def unknown_decl(self, data: str) -> None:
        self.handle_data(data.removeprefix("CDATA["))


def _attribute(name: str, value: str | None) -> str:
    return f' {name}="{html.escape(value or "")}"' if name.isidentifier() else ""
