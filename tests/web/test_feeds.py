"""The archive for programs: valid Atom and JSON Feed with whole addresses, the site map, and what crawlers keep out of."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as Xml

import lxml.html
import pytest
from lxml.html import HtmlElement

from service.operations import scheduling
from service.web.public.feeds import PRIVATE
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.web.test_leaving import ask

Sql = Callable[..., list[Any]]
A = "{http://www.w3.org/2005/Atom}"
S = "{http://www.sitemaps.org/schemas/sitemap/0.9}"

LETTER = (
    '---\nsubject: News & <views> for {{ first_name | default: "you" }}\npreheader: What "changed".\n---\n# The title\n\n'
    "Dear {{ first_name }},\n\nby 林若溪, see [below](#part).[^n] ![Elsewhere](https://pictures.example/a.png)\n\n## Part\n\nWords.\n\n[^n]: A note."
)


@pytest.fixture
def issue(web: str, sandbox: Sandbox, drain: Callable[..., int], sql: Sql) -> int:
    """A published issue of a newsletter with an archive."""
    newsletter = a_newsletter(name="Data & Letter", sender_name="Harbour <Lane>")
    sql("UPDATE newsletters SET has_archive = true, description = 'All of it & more'")
    readers(newsletter, ["mei@readers.example"], names={"mei@readers.example": "Mei-the-canary"})
    found = an_issue(newsletter, LETTER)
    scheduling.schedule(found, actor="test")
    drain()
    return found


def atom(web: str, **headers: str) -> Xml.Element:
    status, body, said = ask("GET", f"{web}/n/monthly/feed.atom", None, **headers)
    assert (status, said["Content-Type"]) == (200, "application/atom+xml; charset=utf-8")
    return Xml.fromstring(body)


def value(element: Xml.Element, name: str) -> str:
    """What stands in the one child of that name."""
    [child] = element.findall(A + name)
    return child.text or ""


def test_the_atom_feed_has_what_the_standard_asks_for(web: str, issue: int) -> None:
    """RFC 4287, sections 4.1.1 and 4.1.2."""
    feed = atom(web)
    assert feed.tag == f"{A}feed"
    for part in (feed, feed.find(f"{A}entry")):
        assert part is not None
        assert re.fullmatch(r"tag:[\w.-]+,\d{4}-\d\d-\d\d:monthly(/\d+)?", value(part, "id"))
        assert datetime.fromisoformat(value(part, "updated")).tzinfo
        assert value(part, "title")
    assert value(feed, "title") == "Data & Letter"
    assert value(feed, "subtitle") == "All of it & more"
    [author] = feed.findall(f"{A}author")
    assert value(author, "name") == "Harbour <Lane>"
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{A}link")}
    assert links == {"self": f"{web}/n/monthly/feed.atom", "alternate": f"{web}/n/monthly/archive"}


def test_an_entry_holds_the_whole_issue_as_nobodys_copy(web: str, issue: int) -> None:
    [entry] = atom(web).findall(f"{A}entry")
    assert value(entry, "title") == "News & <views> for you"
    assert value(entry, "summary") == 'What "changed".'
    [link] = entry.findall(f"{A}link")
    assert link.get("href", "").startswith(f"{web}/n/monthly/{issue}/")
    [content] = entry.findall(f"{A}content")
    assert content.get("type") == "html"
    tree: HtmlElement = lxml.html.fromstring(f"<div>{content.text}</div>")
    words = " ".join(tree.text_content().split())
    for expected in ("The title", "Dear, by 林若溪, see below", "Words.", "Notes A note."):
        assert expected in words
    assert "canary" not in words
    assert not tree.cssselect("img, script, style")
    for link_in in tree.cssselect("a"):
        target = str(link_in.get("href"))
        assert urlsplit(target).scheme in ("http", "https"), f"{target} leads nowhere in a feed reader"
    jump = str(link.get("href")) + "#part"
    assert tree.cssselect(f"a[href='{jump}']")


def test_the_json_feed_is_one_of_version_1_1(web: str, issue: int) -> None:
    status, body, headers = ask("GET", f"{web}/n/monthly/feed.json")
    assert (status, headers["Content-Type"]) == (200, "application/feed+json; charset=utf-8")
    feed = json.loads(body)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert (feed["title"], feed["feed_url"]) == ("Data & Letter", f"{web}/n/monthly/feed.json")
    assert feed["authors"] == [{"name": "Harbour <Lane>"}]
    [item] = feed["items"]
    assert item["id"] == f"{web}/n/monthly/{issue}"
    assert item["url"].startswith(f"{item['id']}/")
    assert item["title"] == "News & <views> for you"
    assert datetime.fromisoformat(item["date_published"]).tzinfo
    assert "林若溪" in item["content_html"]


def test_an_empty_archive_is_a_valid_feed(web: str, sql: Sql) -> None:
    a_newsletter()
    sql("UPDATE newsletters SET has_archive = true")
    feed = atom(web)
    assert feed.findall(f"{A}entry") == []
    assert value(feed, "updated")
    assert json.loads(ask("GET", f"{web}/n/monthly/feed.json")[1])["items"] == []


@pytest.mark.parametrize("place", ["n/monthly/feed.atom", "n/monthly/feed.json", "sitemap.xml", "robots.txt"])
def test_no_forged_host_gets_into_an_address_and_no_language_changes_a_feed(web: str, issue: int, place: str) -> None:
    status, body, headers = ask("GET", f"{web}/{place}")
    assert status == 200
    forged = ask(
        "GET", f"{web}/{place}", None, Host="evil.example", X_Forwarded_Host="evil.example", Accept_Language="de"
    )
    assert forged[1] == body
    assert web in body
    assert headers["Cache-Control"] == "public, max-age=300"
    again = ask("GET", f"{web}/{place}", None, If_None_Match=headers["ETag"])
    assert again[:2] == (304, "")


def test_a_feed_whose_issues_changed_is_not_taken_for_the_same(web: str, issue: int, sql: Sql) -> None:
    etag = ask("GET", f"{web}/n/monthly/feed.atom")[2]["ETag"]
    sql("UPDATE issues SET in_archive = false")
    status, body, _ = ask("GET", f"{web}/n/monthly/feed.atom", None, If_None_Match=etag)
    assert status == 200
    assert Xml.fromstring(body).findall(f"{A}entry") == []


def test_what_cannot_stand_in_xml_does_not_break_the_feed(web: str, issue: int, sql: Sql) -> None:
    sql("UPDATE newsletters SET description = E'a\\x01b\\x0bc \\uFFFE'")
    assert value(atom(web), "subtitle").split() == ["a", "b", "c"]


def test_the_site_map_names_what_is_public_and_nothing_else(web: str, issue: int, sql: Sql) -> None:
    a_newsletter("closed", accepts_signups=False)
    a_newsletter("quiet")
    root = Xml.fromstring(ask("GET", f"{web}/sitemap.xml")[1])
    found = [str(one.findtext(f"{S}loc")) for one in root.findall(f"{S}url")]
    assert found[:4] == [f"{web}/", f"{web}/n/monthly", f"{web}/n/quiet", f"{web}/n/monthly/archive"]
    [article] = found[4:]
    assert ask("GET", article, None, Accept="text/html")[0] == 200, "each leads somewhere, without a detour"
    sql("UPDATE newsletters SET has_archive = false, accepts_signups = false")
    root = Xml.fromstring(ask("GET", f"{web}/sitemap.xml")[1])
    assert [one.findtext(f"{S}loc") for one in root.findall(f"{S}url")] == [f"{web}/"]


def test_crawlers_are_kept_out_of_what_is_one_readers(web: str, issue: int) -> None:
    lines = ask("GET", f"{web}/robots.txt")[1].splitlines()
    assert lines[0] == "User-agent: *"
    assert {f"Disallow: {place}" for place in PRIVATE} <= set(lines)
    assert lines[-1] == f"Sitemap: {web}/sitemap.xml"
    assert not any(line in ("Disallow: /", "Disallow: /n/") for line in lines)
