"""Signing up: a form, a mail, a click; and then the proof of it."""

import re

import pytest

from service import queue
from service.tokens import Purpose, Signer
from tests.web.signups import Sql, Visitor, filled, open_newsletter

Bells = list[tuple[str, tuple[int, ...]]]


@pytest.fixture
def visitor(web: str) -> Visitor:
    return Visitor(web)


def sign_up(visitor: Visitor, address: str = "mei@readers.example", *purposes: str, **fields: str) -> str:
    """Sign up on the page of the only newsletter; the path of the confirmation link."""
    _, page, _ = visitor.get("/n/monthly")
    status, text, headers = visitor.send("/subscribe", filled(page, address, *purposes, **fields))
    assert (status, headers["Location"]) == (303, "/subscribed?newsletter=monthly"), text
    return ""


def link(sql: Sql) -> str:
    ((signup_id,),) = sql("SELECT max(id) FROM signups")
    return f"/c/{Signer(Purpose.CONFIRM).sign(signup_id)}"


def test_a_sign_up_begins_with_the_confirmed_link_and_leaves_its_proof(
    visitor: Visitor, sql: Sql, bells: Bells
) -> None:
    newsletter_id = open_newsletter(sql)
    sign_up(visitor, "Mei.Lin@Readers.example", "tracking")
    ((signup_id, state, address, language, form, network, agent, flags),) = sql(
        "SELECT id, state, address, language, form, network, user_agent, flags FROM signups"
    )
    assert (state, address, language, form, network, agent, flags) == (
        "pending", "Mei.Lin@readers.example", "en", "page", "127.0.0.0/24", "Firefox", [],
    )  # fmt: skip
    assert bells == [(queue.ANSWER_SIGNUP, (signup_id,))]
    assert sql("SELECT count(*) FROM subscribers") == [(0,)], "nobody is a subscriber before the second yes"
    assert sql("SELECT count(*) FROM consent_records") == [(0,)]

    status, page, _ = visitor.get("/subscribed?newsletter=monthly")
    assert status == 200
    assert "Look into your mailbox" in page
    assert "Mei" not in page

    status, page, _ = Visitor(visitor.site).get(link(sql))
    assert (status, "The Monthly" in page, "Mei" in page) == (200, True, False)
    assert sql("SELECT count(*) FROM subscriptions") == [(0,)], "looking changes nothing"
    status, page, _ = Visitor(visitor.site).send(link(sql), [])
    assert status == 200
    assert "You are signed up" in page
    assert sql(
        "SELECT s.normalised_address, n.newsletter_id, n.state, n.tracking, n.export_consent FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id"
    ) == [("mei.lin@readers.example", newsletter_id, "active", "agreed", "unasked")]
    assert sql("SELECT state, confirmed_at IS NOT NULL FROM signups") == [("confirmed", True)]
    acts = sql("SELECT purpose, action, method, r.at = s.created_at FROM consent_records r, signups s ORDER BY number")
    assert acts == [
        ("newsletter", "given", "form", True),
        ("newsletter", "confirmed", "confirm-button", False),
        ("tracking", "given", "form", True),
        ("tracking", "confirmed", "confirm-button", False),
    ]
    words = sql(
        "SELECT DISTINCT r.purpose, w.wording FROM consent_records r JOIN consent_wordings w ON w.sha256 = r.wording_sha256 ORDER BY 1"
    )
    assert [purpose for purpose, _ in words] == ["newsletter", "tracking"]
    assert all("The Monthly" in text for _, text in words)
    details = sql(
        "SELECT part, details FROM consent_details WHERE record_id = (SELECT min(id) FROM consent_records) ORDER BY part"
    )
    assert '"default": "unticked"' in details[0][1]
    assert '"network": "127.0.0.0/24"' in details[1][1]
    leave = re.search(r'href="(/u/[^"]+)"', page)
    assert leave, "leaving is as easy as coming"
    assert visitor.get(leave[1])[0] == 200


def test_confirming_twice_begins_nothing_twice(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    sign_up(visitor)
    visitor.send(link(sql), [])
    before = sql("SELECT * FROM consent_records ORDER BY id"), sql("SELECT * FROM subscriptions")
    for method in ("POST", "GET"):
        status, page, _ = visitor.ask(method, link(sql), b"" if method == "POST" else None)
        assert (status, "Confirmed already" in page) == (200, True)
    assert (sql("SELECT * FROM consent_records ORDER BY id"), sql("SELECT * FROM subscriptions")) == before


def test_a_link_of_more_than_seven_days_begins_nothing(visitor: Visitor, sql: Sql) -> None:
    open_newsletter(sql)
    sign_up(visitor)
    sql("UPDATE signups SET created_at = clock_timestamp() - interval '7 days 1 minute'")
    for method in ("GET", "POST"):
        status, page, _ = visitor.ask(method, link(sql), b"" if method == "POST" else None)
        assert (status, "This link is too old" in page, "/n/monthly" in page) == (200, True, True)
    assert sql("SELECT count(*) FROM subscriptions") == [(0,)]
    sql("DELETE FROM signups")
    gone = f"/c/{Signer(Purpose.CONFIRM).sign(1)}"
    assert "This link is too old" in visitor.get(gone)[1]
    assert "This link is too old" in visitor.send(gone, [])[1]
