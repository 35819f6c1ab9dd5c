"""The one gate from an author's HTML to ours: whatever is not on this allow-list does not get through."""

import html
import re

import lxml.html
import nh3
from lxml.html import HtmlElement

from service.rendering import links, rawhtml
from service.rendering.problems import RenderError

_TAGS = set(rawhtml.ALLOWED | {"figure", "figcaption", "img", "h1"})
_ATTRIBUTES = {
    "*": {"id", "lang", "dir", "title"},
    "a": {"href", "name"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
}
_OWN_CLASSES = {
    "a": {"button"},
    "div": {"button-row", "column", "columns", "contents"},
    "p": {"author-line", "author-name", "callout-title", "contents-title", "quote-source"},
    "table": {"author", "callout", "card", "data"},
    "td": {"author-portrait", "author-words", "callout-cell", "card-picture", "card-words"},
}
"""What `blocks` and `contents` write."""

_ANY_TAG = re.compile(r"<[^>]*>")


def sanitise(author_html: str, *, frozen: bool = False) -> HtmlElement:
    """A `div` that holds what may stay, as a tree. No class stays but, in `frozen` HTML, which has passed here before and got
    them from us, our own."""
    safe = nh3.clean(
        author_html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=set(links.SCHEMES),
        allowed_classes=_OWN_CLASSES if frozen else {},
        link_rel=None,
        strip_comments=True,
    )
    parser = lxml.html.HTMLParser(huge_tree=True)
    tree = lxml.html.fragment_fromstring(safe, create_parent="div", parser=parser)
    if _words(tree.text_content()) != _words(html.unescape(_ANY_TAG.sub("", safe))):
        raise RenderError(
            ["the HTML in this text is too tangled to be read without losing words; write it as Markdown"]
        )
    return tree


def _words(text: str) -> str:
    return "".join(text.split())
