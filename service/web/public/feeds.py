"""For programs: the archive as Atom and as JSON Feed, and what search engines may know. Whole addresses come from the
settings, never from the request. In the newsletter's language, the same for everybody."""

import json
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree as Xml

from flask import Blueprint, Response

from service.operations import archiving
from service.operations.archive_entries import Article
from service.operations.archiving import Publication
from service.settings import current
from service.web.public.archive import keep

blueprint = Blueprint("feeds", __name__)

ATOM = "http://www.w3.org/2005/Atom"
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
PRIVATE = ("/u/", "/c/", "/m/", "/a/", "/manage", "/preferences", "/subscribed", "/api/", "/webhooks/")
"""Begins of addresses that are one reader's, or nobody's to look at."""

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@blueprint.get("/n/<slug>/feed.atom")
def atom(slug: str) -> Response:
    """The newest issues, in full, as Atom (RFC 4287). Raises NotFound."""
    base = current().public_url
    publication, articles = archiving.publication(slug), archiving.feed(slug, base=base)
    feed = Xml.Element("feed", {"xmlns": ATOM, "xml:lang": publication.language})
    _add(feed, "id", _id(publication))
    _add(feed, "title", publication.name)
    if publication.description:
        _add(feed, "subtitle", publication.description)
    _add(feed, "updated", _moment(_changed_at(publication, articles)))
    _add(_add(feed, "author"), "name", publication.sender_name)
    _add(feed, "link", rel="self", type="application/atom+xml", href=f"{base}/n/{slug}/feed.atom")
    _add(feed, "link", rel="alternate", type="text/html", href=f"{base}/n/{slug}/archive")
    for article in articles:
        entry = _add(feed, "entry", **{"xml:lang": article.language})
        _add(entry, "id", f"{_id(publication)}/{article.issue_id}")
        _add(entry, "title", article.title)
        _add(entry, "published", _moment(article.published_at))
        _add(entry, "updated", _moment(article.published_at))
        _add(entry, "link", rel="alternate", type="text/html", href=base + article.path)
        if article.summary:
            _add(entry, "summary", article.summary)
        _add(entry, "content", _whole(article), type="html")
    return _answer(_xml(feed), "application/atom+xml", _changed_at(publication, articles))


@blueprint.get("/n/<slug>/feed.json")
def json_feed(slug: str) -> Response:
    """The newest issues, in full, as JSON Feed 1.1. Raises NotFound."""
    base = current().public_url
    publication, articles = archiving.publication(slug), archiving.feed(slug, base=base)
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": publication.name,
        "home_page_url": f"{base}/n/{slug}/archive",
        "feed_url": f"{base}/n/{slug}/feed.json",
        "language": publication.language,
        "authors": [{"name": publication.sender_name}],
        "items": [_item(article, base) for article in articles],
    }
    if publication.description:
        feed["description"] = publication.description
    whole = json.dumps(feed, ensure_ascii=False)
    return _answer(whole.encode(), "application/feed+json", _changed_at(publication, articles))


@blueprint.get("/sitemap.xml")
def sitemap() -> Response:
    """Newsletters, archives and their issues."""
    base, site = current().public_url, archiving.site()
    urls = Xml.Element("urlset", {"xmlns": SITEMAP})
    places = ["/"] + [f"/n/{slug}" for slug in site.newsletters] + [f"/n/{slug}/archive" for slug in site.archives]
    for place in places:
        _add(_add(urls, "url"), "loc", base + place)
    for entry in site.entries:
        url = _add(urls, "url")
        _add(url, "loc", base + entry.path)
        _add(url, "lastmod", _moment(entry.published_at))
    return _answer(_xml(urls), "application/xml", None)


@blueprint.get("/robots.txt")
def robots() -> Response:
    """What crawlers keep out of, and where the map is."""
    lines = [
        "User-agent: *",
        *(f"Disallow: {place}" for place in PRIVATE),
        "",
        f"Sitemap: {current().public_url}/sitemap.xml",
    ]
    return _answer(("\n".join(lines) + "\n").encode(), "text/plain", None)


def _id(publication: Publication) -> str:
    """A name that stays the same for ever (RFC 4151), unlike an address with a title in it."""
    host = urlsplit(current().public_url).hostname
    return f"tag:{host},{publication.created_at.date().isoformat()}:{publication.slug}"


def _item(article: Article, base: str) -> dict[str, object]:
    return {
        "id": base + f"/n/{article.slug}/{article.issue_id}",
        "url": base + article.path,
        "title": article.title,
        "content_html": _whole(article),
        "date_published": _moment(article.published_at),
        "language": article.language,
        **({"summary": article.summary} if article.summary else {}),
        **({"image": article.page.picture} if article.page.picture else {}),
    }


def _whole(article: Article) -> str:
    """The words of the issue with its notes; its heading too, where that says something else than the title."""
    page = article.page
    heading = f"<h1>{page.heading}</h1>\n" if page.title and page.title != article.title else ""
    notes = f"\n<h2>{page.notes_title}</h2>\n{page.notes}" if page.notes else ""
    return heading + page.body + notes


def _changed_at(publication: Publication, articles: list[Article]) -> datetime:
    return max([publication.created_at, *(article.published_at for article in articles)])


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _add(parent: Xml.Element, name: str, text: str = "", **attributes: str) -> Xml.Element:
    element = Xml.SubElement(parent, name, attributes)
    if text:
        element.text = _NOT_XML.sub(" ", text)
    return element


def _xml(root: Xml.Element) -> bytes:
    whole: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return whole


def _answer(body: bytes, kind: str, changed_at: datetime | None) -> Response:
    response = Response(body, content_type=f"{kind}; charset=utf-8")
    keep(response, changed_at)
    return response
