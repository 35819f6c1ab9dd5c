"""The public archive: opt-in twice, the same for everybody, nobody's own copy; and what is not public looks like nothing."""

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import lxml.html
import pytest
from lxml.html import HtmlElement
from PIL import Image

from service.operations import archiving, authoring, scheduling
from service.operations.authoring import Source
from service.settings import Settings
from tests.builders import LETTER, a_newsletter, an_issue, readers
from tests.conftest import Sandbox
from tests.web.signups import telling
from tests.web.test_leaving import ask

Sql = Callable[..., list[Any]]
Publish = Callable[..., int]


def look(url: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    """As a browser asks."""
    return ask("GET", url, None, Accept="text/html", **headers)


@pytest.fixture
def newsletter(web: str, sql: Sql) -> int:
    """A newsletter with an archive and one reader; its days are those of Shanghai."""
    found = a_newsletter(name="Data Letter")
    sql("UPDATE newsletters SET has_archive = true, time_zone = 'Asia/Shanghai'")
    readers(found, ["mei@readers.example"], names={"mei@readers.example": "Mei-the-canary"})
    return found


@pytest.fixture
def publish(newsletter: int, sandbox: Sandbox, drain: Callable[..., int], sql: Sql) -> Publish:
    """Send an issue. `at`: when it was frozen."""

    def send(markdown: str = LETTER, *, at: str | None = None, **words: Any) -> int:
        issue = an_issue(newsletter, markdown, **words)
        scheduling.schedule(issue, actor="test")
        drain()
        if at:
            sql("UPDATE issues SET prepared_at = %s WHERE id = %s", at, issue)
        return issue

    return send


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def moved(url: str, **headers: str) -> tuple[int, str]:
    """Status and place of an answer, not followed."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.headers.get("Location", "")
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location", "")


def page(url: str, **headers: str) -> HtmlElement:
    status, body, _ = look(url, **headers)
    assert status == 200, body
    return lxml.html.fromstring(body)


def titles(url: str) -> list[str]:
    return [one.text_content() for one in page(url).cssselect(".entries a")]


def text_of(tree: HtmlElement, selector: str) -> str:
    return " ".join(" ".join(one.text_content() for one in tree.cssselect(selector)).split())


def test_an_issue_is_public_from_the_freeze_on_and_not_before(
    web: str, newsletter: int, sandbox: Sandbox, drain: Callable[..., int]
) -> None:
    issue = an_issue(newsletter)
    assert moved(f"{web}/n/monthly/{issue}")[0] == 404
    scheduling.schedule(issue, actor="test")
    assert moved(f"{web}/n/monthly/{issue}")[0] == 404
    drain(at_most=1)
    assert moved(f"{web}/n/monthly/{issue}")[0] == 301
    assert titles(f"{web}/n/monthly/archive") == ["News of the month"]


@pytest.mark.parametrize(
    "closed",
    [
        "UPDATE newsletters SET has_archive = false",
        "UPDATE issues SET in_archive = false",
    ],
)
def test_what_is_not_public_looks_like_what_is_not_there(web: str, publish: Publish, sql: Sql, closed: str) -> None:
    issue = publish()
    sql(closed)
    hidden, unknown = (look(f"{web}/n/{slug}/{issue}/x") for slug in ("monthly", "nowhere"))
    assert hidden[0] == unknown[0] == 404
    assert hidden[1] == unknown[1]
    assert telling(hidden[2]) == telling(unknown[2])
    if "has_archive" in closed:
        for place in ("archive", "feed.atom", "feed.json", f"{issue}"):
            here, nowhere = (look(f"{web}/n/{slug}/{place}") for slug in ("monthly", "nowhere"))
            assert here[:2] == nowhere[:2]
            assert here[0] == 404
    else:
        assert titles(f"{web}/n/monthly/archive") == []
    assert f"/{issue}/" not in ask("GET", f"{web}/sitemap.xml")[1]
    assert archiving.latest("monthly") == []


def test_what_was_cancelled_stays_readable_for_who_has_it_and_only_then(
    web: str, newsletter: int, sandbox: Sandbox, drain: Callable[..., int], other_settings: Callable[..., Settings]
) -> None:
    unsent = an_issue(newsletter, "# Never sent\n\nWords.")
    scheduling.schedule(unsent, actor="test")
    drain(at_most=1)
    scheduling.cancel(unsent, actor="test")
    drain()
    assert moved(f"{web}/n/monthly/{unsent}")[0] == 404

    readers(newsletter, ["tom@readers.example"])
    other_settings(batch_size=1)
    begun = an_issue(newsletter, "# Sent to one\n\nWords.")
    scheduling.schedule(begun, actor="test")
    drain(at_most=2)
    scheduling.cancel(begun, actor="test")
    drain()
    assert sum(len(sandbox.messages(f"{who}@readers.example")) for who in ("mei", "tom")) == 1
    assert moved(f"{web}/n/monthly/{begun}")[0] == 301


def test_date_and_title_in_the_address_lead_to_the_right_ones_whatever_they_are(web: str, publish: Publish) -> None:
    issue = publish(subject="What changed: “cookies” & more", at="2026-03-31T20:00:00Z")
    right = f"/n/monthly/{issue}/2026-04-01-what-changed-cookies-more"
    assert moved(web + right)[0] == 200, "the day is the newsletter's own"
    for wrong in ("", "/2026-03-31-what-changed-cookies-more", "/x", "/%3Cscript%3E", "/2026-04-01"):
        assert moved(f"{web}/n/monthly/{issue}{wrong}") == (301, right)
    assert moved(f"{web}/n/monthly/{issue}?lang=de") == (301, f"{right}?lang=de")


@pytest.mark.parametrize("number", ["0", "999999999999999999999999", "-1", "1e3", "٣"])
def test_a_number_that_no_issue_can_have_is_a_page_not_found(web: str, publish: Publish, number: str) -> None:
    publish()
    assert moved(f"{web}/n/monthly/{quote(number)}")[0] == 404


def test_a_chinese_title_stays_readable_in_the_address(web: str, publish: Publish) -> None:
    issue = publish(subject="数据出境：一份清单", at="2026-03-31T08:00:00Z")
    place = f"/n/monthly/{issue}/2026-03-31-{quote('数据出境一份清单')}"
    assert moved(f"{web}/n/monthly/{issue}") == (301, place)
    assert moved(web + place)[0] == 200
    nameless = publish("# ???\n\nSome words.", at="2026-03-31T08:00:00Z")
    assert moved(f"{web}/n/monthly/{nameless}") == (301, f"/n/monthly/{nameless}/2026-03-31")


def test_nobodys_values_are_on_the_page_and_the_fallbacks_are(web: str, publish: Publish) -> None:
    issue = publish(
        '---\nsubject: News for {{ first_name | default: "you" }}\npreheader: For {{ first_name }}.\n---\n\nDear {{ first_name }},\n\n'
        'hello {{ first_name | default: "reader" }} in {{ last_name | default: "town" }}. By {{ first_name }} alone.'
        ' [x](https://www.example.com/?n={{ first_name | default: "no body" }})'
    )
    found = page(f"{web}/n/monthly/{issue}")
    whole = lxml.html.tostring(found, encoding="unicode")
    assert "canary" not in whole
    assert not re.search("bsmt[0-9]", whole)
    assert "Dear, hello reader in town. By … alone." in text_of(found, ".letter")
    assert text_of(found, "h1") == "News for you"
    assert found.cssselect("meta[name=description]")[0].get("content") == "For …."
    assert found.cssselect(".letter a[href^=https]")[0].get("href") == "https://www.example.com/?n=no%20body"
    assert not found.cssselect("a[href*='/u/']")


def test_an_issue_is_shown_with_headings_notes_tables_pictures_and_marked_chinese(
    web: str, newsletter: int, sandbox: Sandbox, drain: Callable[..., int], tmp_path: Path
) -> None:
    Image.new("RGB", (40, 20), "navy").save(tmp_path / "a.png")
    markdown = '# The title\n\nBy 林若溪.[^n]\n\n![A quay](a.png "Old.")\n\n## Part\n\n| A | B |\n| - | -: |\n| 1 | 2 |\n\n## Part\n\n# Last\n\n[^n]: A note.'
    issue, _ = authoring.create_issue(Source(markdown, tmp_path), newsletter_id=newsletter, actor="test")
    scheduling.schedule(issue, actor="test")
    drain()
    found = page(f"{web}/n/monthly/{issue}")
    assert [one.text_content() for one in found.iter("h1")] == ["The title"], "one heading leads the page"
    assert [one.get("id") for one in found.cssselect(".letter > h2")] == ["part", "part-2", "last"]
    assert text_of(found, ".contents li") == "Part Part Last"
    assert found.cssselect("span[lang=zh-Hans]")[0].text_content() == "林若溪"
    [reference] = found.cssselect("sup a")
    assert (reference.get("href"), reference.get("aria-label")) == ("#fn-1", "Note 1")
    assert found.cssselect(".notes li#fn-1 a[href='#fnref-1'][aria-label='Back to the text']")
    assert found.cssselect(".wide[role=region][tabindex='0'] table td[align=right]")
    [picture] = found.cssselect(".letter figure img")
    with urllib.request.urlopen(web + picture.get("src"), timeout=20) as answer:
        assert answer.headers["Content-Type"] == "image/png"
    assert found.cssselect("meta[property='og:image']")[0].get("content") == web + picture.get("src")
    assert not found.xpath("//*[@style] | //main//*[@bgcolor] | //main//*[@clicktracking] | //script")


HOSTILE = """# A letter

Words <script>alert(1)</script> and <b onclick="alert(1)" style="background:url(https://evil.example/a)">bold</b>.

<style>body { background: url(https://evil.example/b) }</style>

<svg onload="alert(1)"><image href="https://evil.example/c"/></svg> <iframe src="https://evil.example/d">frame</iframe>

<form action="https://evil.example/e"><input name="x"></form> <meta http-equiv="refresh" content="0;url=https://evil.example/f">

![A picture from elsewhere](https://evil.example/g.png)

<p id="main">The end.</p>
"""


def test_hostile_words_neither_run_nor_load_anything(web: str, publish: Publish) -> None:
    found = page(f"{web}/n/monthly/{publish(HOSTILE)}")
    [main] = found.cssselect("main")
    assert not main.cssselect("script, style, svg, iframe, input:not([name=q]), meta, link, object, embed, img")
    assert not main.xpath(".//@*[starts-with(name(), 'on')] | .//@style")
    assert main.cssselect(".letter a")[0].text_content() == "A picture from elsewhere", "a link, not a request"
    assert len(found.cssselect("#main")) == 1
    _, _, headers = look(f"{web}/n/monthly/archive")
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_words_around_the_issue_are_data(web: str, newsletter: int, publish: Publish, sql: Sql) -> None:
    sql("UPDATE newsletters SET name = '<script>x</script>', description = '\"><img src=x>'")
    issue = publish('---\nsubject: "<b>&amp; \\"quoted\\""\npreheader: "\\"><script>"\n---\n\nWords.')
    for place in ("archive", "archive?q=%22%3E%3Cscript%3E", str(issue)):
        found = page(f"{web}/n/monthly/{place}")
        assert not found.cssselect("script, img")
        assert found.cssselect(".masthead")[0].text_content() == "<script>x</script>"


def test_issues_are_listed_by_year_newest_first_twenty_a_page(web: str, publish: Publish, sql: Sql) -> None:
    issue = publish()
    sql(
        """INSERT INTO issues (newsletter_id, subject, source, content_hash, audience_hash, sender_name, sender_address, tracking_policy, marker, state, prepared_at, in_archive)
           SELECT newsletter_id, 'Number ' || n, source, decode(md5(n::text), 'hex'), audience_hash, sender_name, sender_address, tracking_policy, 'm' || n, 'sent',
               timestamptz '2024-12-31 15:59:00Z' + make_interval(days => n - 5), true FROM issues, generate_series(1, 24) n WHERE id = %s""",
        issue,
    )
    sql(
        """INSERT INTO variants (issue_id, language, subject, preheader, html, text, tags)
           SELECT i.id, v.language, i.subject, '', v.html, v.text, '[]' FROM issues i JOIN variants v ON v.issue_id = %s WHERE i.id <> v.issue_id""",
        issue,
    )
    first = page(f"{web}/n/monthly/archive")
    assert [one.text_content() for one in first.cssselect("section h2")] == ["2026", "2025"]
    found = [one.text_content() for one in first.cssselect(".entries a")]
    assert found == ["News of the month", *(f"Number {n}" for n in range(24, 5, -1))]
    second = page(f"{web}/n/monthly/archive?page=2")
    assert [one.text_content() for one in second.cssselect(".entries a")] == [f"Number {n}" for n in range(5, 0, -1)]
    assert [one.text_content() for one in second.cssselect("section h2")] == ["2024"], "31 December, in Shanghai too"
    assert first.cssselect("a[rel=next]")[0].get("href") == "/n/monthly/archive?page=2"
    assert second.cssselect("a[rel=prev]")
    for beyond in ("3", "0", "-1", "9" * 30):
        assert look(f"{web}/n/monthly/archive?page={beyond}")[0] == 404
    assert [entry.title for entry in archiving.latest("monthly")] == found[:3]


def test_neighbours_lead_from_issue_to_issue(web: str, publish: Publish) -> None:
    issues = [publish(f"# Number {n}\n\nWords of {n}.", at=f"2026-0{n}-10T08:00:00Z") for n in range(1, 4)]
    found = page(f"{web}/n/monthly/{issues[1]}")
    assert text_of(found, ".neighbours a[rel=prev]") == "The issue before Number 1"
    assert text_of(found, ".neighbours a[rel=next]") == "The next issue Number 3"
    assert not page(f"{web}/n/monthly/{issues[0]}").cssselect(".neighbours a[rel=prev]")
    assert moved(web + found.cssselect(".neighbours a[rel=next]")[0].get("href"))[0] == 200


def test_the_same_words_sent_to_two_files_are_one_issue_of_the_archive(
    web: str, newsletter: int, publish: Publish
) -> None:
    first = publish()
    readers(newsletter, ["tom@readers.example"])
    second = publish()
    assert second != first
    assert len(titles(f"{web}/n/monthly/archive")) == 1
    status, place = moved(f"{web}/n/monthly/{second}")
    assert (status, place.split("/")[3]) == (302, str(first)), "the link in the second mail still leads somewhere"


def test_a_search_finds_words_of_any_script_in_title_and_text_and_nothing_that_is_not_shown(
    web: str, publish: Publish
) -> None:
    long = "数据出境之前要先弄清楚有哪些数据传给谁为什么传能不传的就不传能少传的就少传单独同意要写得让普通人看得懂并且可以随时撤回"
    publish(
        f"---\npreheader: x\n---\n# About 100% of cookies_here\n\nWords <!-- secret remark --> and\n*more* words. {long}"
    )
    publish("# Another\n\nOther things by O'Neil.")

    def found(query: str) -> list[str]:
        return titles(f"{web}/n/monthly/archive?q={quote(query)}")

    first, second = "About 100% of cookies_here", "Another"
    for query in ("cookies", "COOKIES", "100%", "s_h", "words and more words", long, "普通人 看得懂", "  about  "):
        assert found(query) == [first], query
    assert found("O'Neil") == [second]
    for query in ("secret remark", "subscribed to it", "in your browser", "Quay Street", "%", "_", "\\"):
        assert first not in found(query) or query in ("%", "_"), query
        assert second not in found(query), query
    assert len(found("")) == len(found("\0")) == 2
    nothing = page(f"{web}/n/monthly/archive?q=zebra")
    assert text_of(nothing, ".empty .title") == "Nothing was found"
    assert text_of(nothing, ".found").startswith("0 issues with “zebra”")
    assert nothing.cssselect("#q")[0].get("value") == "zebra"
    assert look(f"{web}/n/monthly/archive?q={'x' * 5000}")[0] == 200


def test_pages_may_be_kept_for_a_while_and_are_asked_for_again_cheaply(web: str, publish: Publish, sql: Sql) -> None:
    issue = publish()
    address = f"{web}{moved(f'{web}/n/monthly/{issue}')[1]}"
    for url in (address, f"{web}/n/monthly/archive"):
        status, _, headers = look(url)
        assert (status, headers["Cache-Control"], headers["Vary"]) == (200, "public, max-age=300", "Accept-Language")
        assert headers["X-Robots-Tag"] == "all"
        assert "Set-Cookie" not in headers
        again = look(url, If_None_Match=headers["ETag"])
        assert again[:2] == (304, "")
        assert look(url, If_Modified_Since=headers["Last-Modified"])[0] == 304
        assert look(url, If_None_Match=headers["ETag"], Accept_Language="de")[0] == 200
    etag = look(address)[2]["ETag"]
    sql("UPDATE newsletters SET name = 'Another name'")
    assert look(address, If_None_Match=etag)[0] == 200
    searched = look(f"{web}/n/monthly/archive?q=news")[2]
    assert searched["X-Robots-Tag"] == "noindex"


def test_the_frame_speaks_the_readers_language_and_the_issue_its_own(web: str, publish: Publish) -> None:
    issue = publish(at="2026-03-31T08:00:00Z")
    german = page(f"{web}/n/monthly/{issue}?lang=de")
    assert german.get("lang") == "de"
    assert text_of(german, ".dateline time") == "31. März 2026"
    assert german.cssselect("article")[0].get("lang") == "en"
    assert all("lang=de" in one.get("href") for one in german.cssselect(".dateline a"))
    assert german.cssselect("link[rel=canonical]")[0].get("href").endswith("-news-of-the-month"), (
        "one for all languages"
    )
    assert text_of(page(f"{web}/n/monthly/{issue}?lang=zh-Hans"), ".dateline time") == "2026年3月31日"


def test_a_page_says_what_it_is_to_who_links_to_it_and_never_by_the_requests_host(web: str, publish: Publish) -> None:
    issue = publish("---\npreheader: What changed.\n---\n# The title\n\nWords.")
    place = moved(f"{web}/n/monthly/{issue}", Host="evil.example", X_Forwarded_Host="evil.example")[1]
    assert place.startswith("/n/monthly/")
    for url in (f"{web}{place}", f"{web}/n/monthly/archive"):
        forged = look(url, Host="evil.example", X_Forwarded_Host="evil.example")[1]
        assert "evil.example" not in forged
        assert lxml.html.fromstring(forged).cssselect("link[rel=canonical]")[0].get("href") == url
    said = {one.get("property"): one.get("content") for one in page(web + place).cssselect("meta[property]")}
    assert said["og:title"] == "The title"
    assert said["og:description"] == "What changed."
    assert said["og:url"] == web + place
    assert said["og:type"] == "article"


def test_who_may_sign_up_is_asked_to(web: str, publish: Publish, sql: Sql) -> None:
    issue = publish()
    assert page(f"{web}/n/monthly/{issue}").cssselect(".signup a[href='/n/monthly']")
    sql("UPDATE newsletters SET accepts_signups = false")
    assert not page(f"{web}/n/monthly/{issue}").cssselect(".signup")


def test_the_mail_leads_to_the_page_and_the_link_names_no_reader(
    web: str, publish: Publish, sandbox: Sandbox, sql: Sql
) -> None:
    sql("UPDATE subscriptions SET tracking = 'agreed'")
    issue = publish()
    (copy,) = sandbox.messages("mei@readers.example")
    address = f"{web}/n/monthly/{issue}"
    assert f'href="{address}"' in copy["html"], "not tracked, though this reader's other links are"
    assert "/c/" in copy["html"]
    assert f"Read this in your browser:\n<{address}>" in copy["text"]
    assert "invalid" not in copy["html"] + copy["text"]
    assert moved(address)[0] == 301


def test_an_issue_that_is_not_public_leads_nowhere(web: str, newsletter: int, sandbox: Sandbox, drain: Any) -> None:
    issue = an_issue(newsletter)
    archiving.set_in_archive(issue, False, actor="test")
    scheduling.schedule(issue, actor="test")
    drain()
    (copy,) = sandbox.messages("mei@readers.example")
    for part in ("html", "text"):
        assert "in your browser" not in copy[part]
        assert "invalid" not in copy[part]


def test_opening_the_archive_sends_nobody_the_same_words_twice(
    web: str, newsletter: int, publish: Publish, sandbox: Sandbox, sql: Sql
) -> None:
    sql("UPDATE newsletters SET has_archive = false")
    publish()
    sql("UPDATE newsletters SET has_archive = true")
    publish()
    assert len(sandbox.messages("mei@readers.example")) == 1
