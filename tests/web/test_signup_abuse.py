"""What a stranger learns or breaks by signing others up: nothing; and how much they can send: little."""

import logging
import math
import re
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import psycopg
import pytest
from sqlalchemy import make_url
from werkzeug.serving import make_server

from service import factory, queue
from service.operations.limits import REQUESTS_PER_NETWORK
from service.operations.signing_up import Origin, TooMany, sign_up
from service.operations.signup_forms import form_for
from service.settings import Settings
from service.tokens import Purpose, Signer
from tests.builders import people, readers
from tests.web.signups import Sql, Visitor, filled, open_newsletter, telling, ticket


@pytest.fixture
def visitor(web: str) -> Visitor:
    return Visitor(web)


def kept(sql: Sql) -> int:
    count: int = sql("SELECT count(*) FROM signups")[0][0]
    return count


def form() -> dict[str, list[str]]:
    """The newsletter's form as a browser would send it, but for the address."""
    (offer,) = form_for(["monthly"], "en").offers
    return {"newsletter": [f"monthly:{offer.wordings['newsletter'].sha256}"]}


def take(address: str, network: str, given: dict[str, list[str]] | None = None) -> timedelta | None:
    """One sign-up, as the page would take it; how long to wait where it is refused."""
    sent = {**(given or form()), "address": [address]}
    try:
        sign_up(sent, slugs=["monthly"], language="en", origin=Origin("page", network, "other"))
    except TooMany as error:
        return error.wait
    return None


def test_the_answer_is_the_same_whoever_is_behind_the_address(visitor: Visitor, sql: Sql) -> None:
    newsletter_id = open_newsletter(sql)
    readers(newsletter_id, ["known@readers.example"])
    sql("INSERT INTO suppressions (email_key, kind, source) SELECT email_key, 'manual', 'test' FROM subscribers")
    _, page, _ = visitor.get("/n/monthly")
    answers = []
    for address in ("known@readers.example", "someone-unknown@readers.example"):
        visitor.cookies.clear()
        status, text, headers = visitor.send("/subscribe", filled(page, address))
        cookie = re.sub("signup=[^;]+", "signup=…", headers["Set-Cookie"])
        after = re.sub(r"[\w.-]{60,}", "…", visitor.get(headers["Location"])[1])
        again = visitor.send("/subscribed/again", [])
        answers.append(
            (status, text, telling(headers), cookie, after, again[0], again[1], visitor.get(again[2]["Location"])[1])
        )
    assert answers[0] == answers[1]
    assert kept(sql) == 2


def test_the_time_that_an_answer_takes_tells_nothing(visitor: Visitor, sql: Sql) -> None:
    """Known and unknown addresses take turns, so that a busy machine slows both, and go on until a difference of three
    milliseconds could not be chance: four standard errors of the median, or for a minute at most. Less than the millisecond
    that leaving out one row would save is none."""
    newsletter_id = open_newsletter(sql)
    known = people(600, "known.example")
    readers(newsletter_id, known)
    _, page, _ = visitor.get("/n/monthly")

    def seconds(address: str) -> float:
        sent = filled(page, address)
        started = time.perf_counter()
        assert visitor.send("/subscribe", sent)[0] == 303
        return time.perf_counter() - started

    pairs: list[float] = []
    middle, chance, ends_at = 0.0, 1.0, time.monotonic() + 60
    for number, address in enumerate(known):
        sql("UPDATE signups SET network = 'elsewhere' WHERE network <> 'elsewhere'")
        both = [address, f"x{address}"]
        took = {one: seconds(one) for one in (both if number % 2 else both[::-1])}
        pairs.append(took[both[0]] - took[both[1]])
        if len(pairs) % 60 == 0:
            middle = statistics.median(pairs)
            scatter = statistics.median(abs(one - middle) for one in pairs)
            chance = 4 * 1.86 * scatter / math.sqrt(len(pairs))
            if chance < 0.003 or time.monotonic() > ends_at:
                break
    assert abs(middle) < max(chance, 0.0007)


def test_the_request_asks_the_database_the_same_and_looks_nobody_up(
    database: Settings, sql: Sql, statements: list[str]
) -> None:
    readers(open_newsletter(sql), ["known@readers.example"])
    given = form()
    statements.clear()
    take("known@readers.example", "203.0.113.0/24", given)
    known = statements[:]
    statements.clear()
    take("unknown@readers.example", "203.0.113.0/24", given)
    assert known == statements
    assert len(statements) <= 2, "each costs a sign-up a round trip"
    assert not re.search(r"subscri(ber|ption)s\b|suppressions|mails", " ".join(statements))


def test_what_a_program_fills_in_is_thanked_and_not_kept(visitor: Visitor, sql: Sql, bells: list[object]) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    human = visitor.send("/subscribe", filled(page))
    assert kept(sql) == 1
    bells.clear()
    trapped = visitor.send("/subscribe", [*filled(page), ("comment", "cheap pills")])
    fast = visitor.send("/subscribe", [("form", ticket(page)), *filled(page)[1:]])
    assert kept(sql) == 1
    assert bells == []
    for answer in (trapped, fast):
        assert answer[:2] == human[:2]
        assert answer[2].keys() == human[2].keys()
        assert answer[2]["Location"] == human[2]["Location"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("tries", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_one_network_sends_thirty_sign_ups_an_hour_and_is_told_when_it_may_again(
    visitor: Visitor, sql: Sql, tries: int
) -> None:
    open_newsletter(sql)
    given = form()
    waits = [wait for address in people(tries) if (wait := take(address, "127.0.0.0/24", given))]
    assert (kept(sql), len(waits)) == (REQUESTS_PER_NETWORK, tries - REQUESTS_PER_NETWORK)
    assert all(timedelta(minutes=55) < wait <= timedelta(hours=1) for wait in waits)
    _, page, _ = visitor.get("/n/monthly")
    status, text, headers = visitor.send("/subscribe", filled(page, "late@readers.example"))
    assert status == 429
    assert 55 * 60 < int(headers["Retry-After"]) <= 3600
    assert 'value="late@readers.example"' in text, "nothing that was typed is lost"
    assert take("elsewhere@readers.example", "198.51.100.0/24") is None
    sql("UPDATE signups SET created_at = created_at - interval '61 minutes' WHERE id = (SELECT min(id) FROM signups)")
    assert take("later@readers.example", "127.0.0.0/24") is None
    assert take("too-late@readers.example", "127.0.0.0/24") is not None


def test_a_burst_from_one_network_does_not_slip_past_the_limit(database: Settings, sql: Sql) -> None:
    open_newsletter(sql)

    def burst(part: int) -> None:
        for address in people(20, f"p{part}.example"):
            take(address, "203.0.113.0/24")

    threads = [threading.Thread(target=burst, args=(part,)) for part in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept(sql) == REQUESTS_PER_NETWORK


def test_sign_ups_of_one_network_that_come_at_one_moment_are_counted_one_after_the_other(
    database: Settings, sql: Sql, owner: "psycopg.Connection[Any]"
) -> None:
    """All are held up in the middle of their work by a word that somebody else is just storing."""
    open_newsletter(sql)
    for address in people(REQUESTS_PER_NETWORK - 1):
        take(address, "203.0.113.0/24")
    words = "INSERT INTO consent_wordings (sha256, wording) SELECT decode(%s, 'hex'), 'x'"
    sql("SET session_replication_role = replica; DELETE FROM consent_wordings")
    owner.execute(words, [form()["newsletter"][0].partition(":")[2]])
    threads = [threading.Thread(target=take, args=(f"at-once{n}@readers.example", "203.0.113.0/24")) for n in range(4)]
    for thread in threads:
        thread.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 20
    while sql(waiting) != [(4,)]:
        assert time.monotonic() < deadline, "all four wait: for the word, or for their network's turn"
        time.sleep(0.05)
    owner.commit()
    for thread in threads:
        thread.join()
    assert kept(sql) == REQUESTS_PER_NETWORK


@pytest.fixture
def owner(database: Settings) -> Iterator["psycopg.Connection[Any]"]:
    """A transaction beside the code under test."""
    address = make_url(database.database_owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        yield connection


def test_headers_name_another_network_only_where_a_proxy_is_trusted(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    for forged in ("203.0.113.9", "::1, 203.0.113.9"):
        visitor.send("/subscribe", filled(page), X_Forwarded_For=forged, Forwarded=f"for={forged}")
    assert sql("SELECT DISTINCT network FROM signups") == [("127.0.0.0/24",)]


@pytest.fixture
def behind_a_proxy(database: Settings) -> Iterator[str]:
    """The web application as it is set up behind one proxy."""
    collect = queue._publisher
    assert collect is not None
    app = factory.create_app(replace(database, trusted_proxies=1))
    queue.use(collect)
    logging.getLogger().handlers[:] = []
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


def test_behind_a_trusted_proxy_the_network_is_the_one_it_names(behind_a_proxy: str, sql: Sql) -> None:
    open_newsletter(sql)
    visitor = Visitor(behind_a_proxy)
    _, page, _ = visitor.get("/n/monthly")
    visitor.send("/subscribe", filled(page), X_Forwarded_For="198.51.100.7, 203.0.113.9")
    assert sql("SELECT network FROM signups") == [("203.0.113.0/24",)], (
        "the last hop is the proxy's word, the rest anybody's"
    )


def test_a_forged_host_gets_into_nothing(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly", Host="evil.example", X_Forwarded_Host="evil.example")
    assert "evil.example" not in page
    _, text, headers = visitor.send("/subscribe", filled(page), Host="evil.example", X_Forwarded_Host="evil.example")
    assert "evil.example" not in text + str(headers)
    assert all("evil" not in str(row) for row in sql("SELECT * FROM signups"))


def test_no_address_of_ours_leads_anybody_elsewhere(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    names = ("next", "url", "to", "return", "return_to", "redirect", "redirect_uri", "newsletter", "domain", "lang")
    asked = urlencode(dict.fromkeys(names, "https://evil.example/"))
    fields = [("next", "https://evil.example/"), ("url", "//evil.example/"), *filled(page)]
    answers = [visitor.send(f"{path}?{asked}", fields) for path in ("/subscribe", "/subscribed/again", "/manage")]
    assert [status for status, _, _ in answers] == [303, 303, 303]
    answers += [
        visitor.get(f"{path}?{asked}") for path in ("/", "/n/monthly", "/subscribed", "/manage", "/manage/sent")
    ]
    answers += [visitor.get(f"{visitor.site}//evil.example{path}") for path in ("", "/", "/n/monthly", "/..", "/%2f..")]
    for _, _, headers in answers:
        target = urlsplit(urljoin(visitor.site, headers.get("Location", "/")))
        assert f"{target.scheme}://{target.netloc}" == visitor.site


def test_only_the_browser_that_signed_up_confirms_by_itself(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    visitor.send("/subscribe", filled(page))
    ((signup_id,),) = sql("SELECT id FROM signups")
    link = f"/c/{Signer(Purpose.CONFIRM).sign(signup_id)}"
    stranger, other = Visitor(visitor.site), Visitor(visitor.site)
    other.send("/subscribe", filled(page, "else@readers.example"))
    assert other.cookies, "of another sign-up"
    for one in (stranger, other):
        _, text, headers = one.get(link)
        assert "confirm.js" not in text
        assert "script-src" not in headers["Content-Security-Policy"]
        assert one.send(link, [("how", "auto")])[0] == 303
        assert sql("SELECT count(*) FROM subscriptions") == [(0,)]
    _, text, headers = visitor.get(link)
    assert "confirm.js" in text
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert sql("SELECT count(*) FROM subscriptions") == [(0,)], "the page alone changes nothing"
    assert visitor.send(link, [("how", "auto")])[0] == 200
    assert sql("SELECT DISTINCT method FROM consent_records WHERE action = 'confirmed'") == [("confirm-auto",)]


@pytest.mark.parametrize(
    ("headers", "is_given"),
    [
        ({"Sec_Fetch_Site": "same-origin"}, True),
        ({"Sec_Fetch_Site": "cross-site"}, False),
        ({"Sec_Fetch_Site": "same-site"}, False),
        ({"Sec_Fetch_Site": "none", "Origin": "https://evil.example"}, False),
        ({"Sec_Fetch_Site": "none", "Origin": "null"}, False),
        ({"Sec_Fetch_Site": "none"}, True),
    ],
)
def test_a_cookie_is_given_only_for_a_form_of_this_very_site(
    visitor: Visitor, sql: Sql, headers: dict[str, str], is_given: bool
) -> None:
    open_newsletter(sql)
    _, page, _ = visitor.get("/n/monthly")
    status, _, answer = visitor.send("/subscribe", filled(page), **headers)
    assert (status, "Set-Cookie" in answer) == (303, is_given)
    assert visitor.send("/subscribed/again", [])[0] == 303
