"""Sign-ups by script: only from sites that a newsletter names, only in JSON, and with the same answer for everybody."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from service.operations.limits import REQUESTS_PER_NETWORK
from tests.builders import readers
from tests.web.signups import Sql, Visitor, filled, open_newsletter, telling

SITE = "https://www.firm.example"
Form = dict[str, Any]
Change = Callable[[Form], object]


@pytest.fixture
def site(web: str) -> Visitor:
    """A script on a site that the newsletter names."""
    return Visitor(web, Origin=SITE, Accept="application/json", Sec_Fetch_Site="cross-site")


def asked(site: Visitor, slug: str = "monthly") -> Form:
    status, text, headers = site.get(f"/api/newsletters/{slug}/form")
    assert (status, headers["Access-Control-Allow-Origin"], "Origin" in headers["Vary"]) == (200, SITE, True)
    found: Form = json.loads(text)
    return found


def body(form: Form, address: str = "mei@readers.example", **fields: object) -> Form:
    hashes = {purpose: wording["sha256"] for purpose, wording in form["wordings"].items()}
    chosen = {"slug": form["newsletter"]["slug"], "agrees": hashes["newsletter"], "tracking": None}
    return {"token": form["token"], "address": address, "newsletters": [chosen], **fields}


def post(site: Visitor, given: object, **headers: str) -> tuple[int, Any, dict[str, str]]:
    sent = given if isinstance(given, bytes) else json.dumps(given).encode()
    status, text, answer = site.ask("POST", "/api/subscribe", sent, **{"Content_Type": "application/json", **headers})
    return status, json.loads(text), answer


def test_a_site_of_the_newsletters_signs_a_reader_up(site: Visitor, sql: Sql) -> None:
    open_newsletter(sql, allowed_origins=[SITE], signup_fields='[{"name": "first_name", "required": true}]')
    form = asked(site)
    assert form["newsletter"]["name"] == "The Monthly"
    assert [(one["name"], one["required"]) for one in form["fields"]] == [("address", True), ("first_name", True)]
    assert sorted(form["wordings"]) == ["newsletter", "tracking"]
    given = body(form, first_name="Mei")
    given["newsletters"][0]["tracking"] = form["wordings"]["tracking"]["sha256"]
    status, answer, headers = post(site, given)
    assert (status, answer) == (202, {"status": "pending"})
    assert headers["Access-Control-Allow-Origin"] == SITE
    assert "Access-Control-Allow-Credentials" not in headers
    assert "Set-Cookie" not in headers
    assert sql("SELECT form, first_name, choices -> 0 -> 'tracking' FROM signups") == [("api", "Mei", True)]


def test_the_answer_is_the_same_for_who_is_known(site: Visitor, sql: Sql) -> None:
    readers(open_newsletter(sql, allowed_origins=[SITE]), ["known@readers.example"])
    form = asked(site)
    first, second = (post(site, body(form, f"{name}@readers.example")) for name in ("known", "unknown"))
    assert first[:2] == second[:2] == (202, {"status": "pending"})
    assert telling(first[2]) == telling(second[2])


@pytest.mark.parametrize(
    ("change", "field", "advice"),
    [
        (lambda given: given.update(address="mei"), "address", "has no @"),
        (lambda given: given.update(address=7), "address", "has to be a text"),
        (lambda given: given.update(address=None), "address", "is empty"),
        (lambda given: given.update(address="mei\ud800@readers.example"), "address", "invisible character"),
        (lambda given: given["newsletters"][0].update(slug="\0"), "newsletters", "list of objects"),
        (lambda given: given["newsletters"][0].update(slug="\ud800"), "newsletters", "list of objects"),
        (lambda given: given.update(token="forged"), "token", "Fetch it again"),
        (lambda given: given.pop("token"), "token", "Fetch it again"),
        (lambda given: given.update(newsletters=[]), "newsletter-monthly", "Tick this box"),
        (lambda given: given.update(newsletters="monthly"), "newsletters", "a list of objects"),
        (lambda given: given.update(newsletters=[{"slug": 1}]), "newsletters", "a list of objects"),
        (lambda given: given["newsletters"][0].update(agrees="0" * 64), "newsletter-monthly", "have changed"),
        (lambda given: given["newsletters"][0].update(agrees=None), "newsletter-monthly", "Tick this box"),
        (lambda given: given["newsletters"][0].update(slug="closed"), "newsletters", "takes sign-ups at present"),
    ],
)
def test_what_is_wrong_is_said_by_field_and_nothing_is_kept(
    site: Visitor, sql: Sql, change: Change, field: str, advice: str
) -> None:
    open_newsletter(sql, allowed_origins=[SITE])
    open_newsletter(sql, "closed", accepts_signups=False, allowed_origins=[SITE])
    given = body(asked(site))
    change(given)
    status, answer, headers = post(site, given)
    assert status == 422
    assert headers["Access-Control-Allow-Origin"] == SITE, "the script may read what to change"
    (error,) = answer["errors"]
    assert error["field"] == field
    assert advice in error["message"]
    assert sql("SELECT count(*) FROM signups") == [(0,)]


@pytest.mark.parametrize("given", [b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"a":' + b"[" * 50_000])
def test_what_is_no_json_object_is_refused_in_words(site: Visitor, sql: Sql, given: bytes) -> None:
    open_newsletter(sql, allowed_origins=[SITE])
    status, answer, _ = post(site, given)
    assert (status, answer["errors"][0]["message"]) == (422, "Send one JSON object.")


def test_a_plain_form_of_another_site_cannot_send_json(site: Visitor, sql: Sql) -> None:
    open_newsletter(sql, allowed_origins=[SITE])
    given = body(asked(site))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert post(site, given, Content_Type=kind)[0] == 415
    assert sql("SELECT count(*) FROM signups") == [(0,)]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://www.firm.example", "https://www.firm.example.evil.example", "null", ""]
)
def test_a_site_that_no_newsletter_names_is_refused(site: Visitor, sql: Sql, origin: str) -> None:
    open_newsletter(sql, allowed_origins=[SITE])
    given = body(asked(site))
    status, _, headers = site.ask("OPTIONS", "/api/subscribe", None, Origin=origin)
    assert (status, "Access-Control-Allow-Origin" in headers, headers["Vary"]) == (204, False, "Origin")
    status, _, headers = site.get("/api/newsletters/monthly/form", Origin=origin)
    assert (status, "Access-Control-Allow-Origin" in headers) == (403, False)
    status, _, headers = post(site, given, Origin=origin)
    assert (status, "Access-Control-Allow-Origin" in headers) == (403, False)
    assert sql("SELECT count(*) FROM signups") == [(0,)]


def test_a_site_must_be_named_by_every_newsletter_that_it_signs_up_for(site: Visitor, sql: Sql) -> None:
    open_newsletter(sql, allowed_origins=[SITE])
    other = open_newsletter(sql, "weekly")
    status, _, headers = site.ask("OPTIONS", "/api/subscribe", None)
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, SITE)
    assert headers["Access-Control-Allow-Methods"] == "POST"
    given = body(asked(site))
    given["newsletters"].append({"slug": "weekly", "agrees": given["newsletters"][0]["agrees"]})
    assert post(site, given)[0] == 403
    sql("UPDATE newsletters SET allowed_origins = %s WHERE id = %s", [SITE], other)
    given["newsletters"][1]["agrees"] = asked(site, "weekly")["wordings"]["newsletter"]["sha256"]
    assert post(site, given)[0] == 202
    assert sql("SELECT jsonb_array_length(choices) FROM signups") == [(2,)]


def test_too_many_from_one_network_are_told_when_to_try_again(site: Visitor, sql: Sql) -> None:
    open_newsletter(sql, allowed_origins=[SITE])
    given = body(asked(site))
    assert {post(site, given)[0] for _ in range(REQUESTS_PER_NETWORK)} == {202}
    status, answer, headers = post(site, given)
    assert status == 429
    assert "Try again in 60 minutes" in answer["errors"][0]["message"]
    assert headers["Access-Control-Allow-Origin"] == SITE
    assert headers["Retry-After"] == "3600"


def test_a_pages_form_and_a_scripts_form_are_not_taken_for_one_another(site: Visitor, sql: Sql) -> None:
    open_newsletter(sql, allowed_origins=[SITE])
    given = body(asked(site))
    _, page, _ = site.get("/n/monthly")
    fields = dict(filled(page))
    assert post(site, {**given, "token": fields["form"]})[0] == 422
    status, _, headers = site.send("/subscribe", [("form", given["token"]), *filled(page)[1:]])
    assert (status, "Set-Cookie" in headers) == (422, False)
    assert sql("SELECT count(*) FROM signups") == [(0,)]
