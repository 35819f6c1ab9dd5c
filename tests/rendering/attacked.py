"""Puts a payload into every field that an author or a reader can fill, and takes apart what comes out."""

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import lxml.html
from lxml.html import HtmlElement

from service.operations import requests
from service.operations.requests import Content, Reader
from service.rendering.mime import Mail, raw
from service.rendering.newsletter import Masthead, Rendered, RenderError, render
from service.rendering.webpage import WebPage, Words, web_page
from tests.rendering.rendered import PICTURES

SITE = "https://news.example"
PLACES: dict[str, Callable[[str], str]] = {
    "body": lambda x: x,
    "heading": lambda x: f"## {x}",
    "words in a line": lambda x: f"Before {x} after.",
    "link text": lambda x: f"[{x}](https://www.example.com/)",
    "link target": lambda x: f"[x](<{x}>)",
    "link query": lambda x: f"[x](https://www.example.com/?q={x})",
    "link title": lambda x: f'[x](https://www.example.com/ "{x}")',
    "link definition": lambda x: f"[x][ref]\n\n[ref]: {x}",
    "picture text": lambda x: f"![{x}](a.png)",
    "picture title": lambda x: f'![x](a.png "{x}")',
    "picture address": lambda x: f"![x](<{x}>)",
    "note": lambda x: f"Claim.[^n]\n\n[^n]: {x}",
    "table cell": lambda x: f"| a | b |\n|---|---|\n| {x} | c |",
    "quotation": lambda x: f"> {x}",
    "list": lambda x: f"- {x}\n- y",
    "code": lambda x: f"`{x}`",
    "block of code": lambda x: f"    {x}",
    "attribute of a tag": lambda x: f'<b title="{x}">word</b>',
    "default": lambda x: f'{{{{ office | default: "{x}" }}}}',
}
_FIELDS = frozenset(["office"])
_VALUES = (
    'Dear {{ first_name | default: "you" }}, your {{ office | default: "none" }}:'
    ' [go](https://www.example.com/{{ first_name | default: "x" }}?o={{ office | default: "x" }} "{{ office | default: "none" }}")'
    ' ![{{ office | default: "none" }}](a.png)\n'
)
_FORBIDDEN = ["script", "iframe", "frame", "frameset", "object", "embed", "applet", "form", "input", "button", "textarea", "select", "isindex", "link", "base", "svg", "math", "video", "audio", "source", "template", "noscript", "marquee", "animate", "xmp", "portal", "dialog"]  # fmt: skip
_ACTIVE_STYLE = re.compile(r"url\s*\(|expression|@import|behavior|-moz-binding|javascript:", re.IGNORECASE)
_SAFE_HREF = re.compile(r"(?:https?://|mailto:|tel:|#)", re.IGNORECASE)


@dataclass(frozen=True)
class Mailed:
    """What one reader is sent, what is handed over, and the page in the archive."""

    html: str
    text: str
    subject: str
    request: dict[str, Any]
    mime: bytes
    page: WebPage


def in_the_text(payload: str, places: Iterable[str] = PLACES) -> tuple[list[Mailed], dict[str, str]]:
    """The payload in every place of a text that takes it; and the places that refuse it, with what they say."""
    mails, refused = [], {}
    for place in places:
        try:
            mails.append(
                mailed(render(f"# News\n\n{PLACES[place](payload)}\n", masthead(), fields=_FIELDS, pictures=PICTURES))
            )
        except RenderError as error:
            refused[place] = "\n".join(error.problems)
    return mails, refused


def in_the_headline(payload: str, key: str) -> Mailed:
    """The payload in the front matter. Raises RenderError."""
    text = f"---\nsubject: News\n{key}: {payload}\n---\n\n# News\n\nText\n" if key != "subject" else "# News\n\nText\n"
    given = payload if key == "subject" else None
    return mailed(render(text, masthead(), subject=given, pictures=PICTURES))


def in_the_newsletter(payload: str) -> Mailed:
    """The payload in all that a newsletter says of itself. Raises RenderError."""
    named = Masthead(payload, f"The office of {payload}", f"1 Quay\n{payload}", has_archive=True)
    return mailed(render("# News\n\nText\n", named, pictures=PICTURES), sender=payload)


def in_a_reader(payload: str) -> Mailed:
    """The payload as a reader's name and attribute, wherever an author may show them."""
    frozen = render(
        f'# News for {{{{ first_name | default: "you" }}}}\n\n{_VALUES}',
        masthead(),
        fields=_FIELDS,
        pictures=PICTURES,
    )
    return mailed(frozen, value=payload)


def masthead() -> Masthead:
    return Masthead("Data Letter", "Harbour & Lane LLP", "4 Grain Quay")


def mailed(frozen: Rendered, *, value: str | None = None, sender: str = "Data Letter") -> Mailed:
    """One reader's copy, put together as SendGrid does it: substitutions go in literally."""
    content = _content(frozen, sender)
    values = [value if tag.field != "leave_url" else None for tag in frozen.tags]
    body = requests.build(content, [Reader(1, 2, "mei@readers.example", values)], uuid.UUID(int=7))
    [person] = body["personalizations"]

    def filled(part: str) -> str:
        for mark, shown in person["substitutions"].items():
            part = part.replace(mark, shown)
        return part

    parts = {one["type"]: filled(one["value"]) for one in body["content"]}
    mail = Mail(
        (sender, "news@sender.example"), (value or "", "mei@readers.example"), None, filled(body["subject"]), parts["text/plain"],
        parts["text/html"], f"{SITE}/u/preview", content.list_id,
    )  # fmt: skip
    page = web_page(frozen.html, frozen.tags, language="en", media=_served, words=Words("b", "%(number)s", "t", "p"))
    return Mailed(mail.html, mail.text, mail.subject, body, raw(mail), page)


def _content(frozen: Rendered, sender: str) -> Content:
    markers = tuple(f"-Qm7xKp2LdW-{number}-" for number in range(len(frozen.tags)))

    def marked(part: str) -> str:
        for tag, mark in zip(frozen.tags, markers, strict=True):
            part = part.replace(tag.placeholder, mark)
        return part

    given: dict[str, Any] = {
        "issue_id": 1, "variant_id": 1, "language": "en", "tracked": False, "tracking_policy": "agreed", "reply_to": None,
        "sender": {"email": "news@sender.example", "name": sender}, "list_id": "<monthly.news.example>",
        "subject": marked(frozen.subject), "html": marked(frozen.html), "text": marked(frozen.text), "tags": frozen.tags, "markers": markers,
    }  # fmt: skip
    return Content(**{name: value for name, value in given.items() if name in {one.name for one in fields(Content)}})


def _served(source: str) -> str:
    return source if source.startswith(f"{SITE}/media/") else ""


def faults(mail: Mailed, harmless: Mailed) -> list[str]:
    """What is dangerous in a mail or its page, beside one that nobody attacked."""
    found = _faults(mail.html, harmless.html)
    for part in (mail.page.heading, mail.page.body, mail.page.notes):
        found += [f"page: {one}" for one in _faults(f"<div>{part}</div>", "<div></div>")]
    if any(ord(letter) < 32 and letter != "\n" for letter in mail.text) or "\u2028" in mail.subject:
        found.append("a control character in the text")
    if any(ord(letter) < 32 or letter in "\x7f\x85\u2028\u2029" for letter in mail.subject):
        found.append("a control character in the subject")
    headers = mail.mime.split(b"\r\n\r\n", 1)[0].lower()
    found += [f"header {name}" for name in ("bcc", "x-header", "cc") if f"\r\n{name}:".encode() in headers]
    return found


def _faults(html: str, harmless: str) -> list[str]:
    tree, other = _tree(html), _tree(harmless)
    found = [f"<{one.tag}>" for one in tree.iter(*_FORBIDDEN)]
    for name in ("style", "meta", "title"):
        if len(list(tree.iter(name))) != len(list(other.iter(name))):
            found.append(f"another <{name}>")
    if [one.text for one in tree.iter("style")] != [one.text for one in other.iter("style")]:
        found.append("another style sheet")
    for element in (one for one in tree.iter() if isinstance(one.tag, str)):
        for name, value in element.attrib.items():
            found += [f"{element.tag} {name}={value}"] if _is_active(str(name), str(value)) else []
    return found


def _is_active(name: str, value: str) -> bool:
    name = name.lower()
    if name in ("href", "src", "background", "action", "formaction", "data", "poster", "xlink:href"):
        allowed = name == "href" and _SAFE_HREF.match(value)
        return not (allowed or (name == "src" and value.startswith("https://")))
    return (
        name.startswith("on") or name in ("srcdoc", "srcset") or (name == "style" and bool(_ACTIVE_STYLE.search(value)))
    )


def _tree(html: str) -> HtmlElement:
    found: HtmlElement = lxml.html.fromstring(html)
    return found
