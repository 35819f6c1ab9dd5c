"""Variants from the text to the request: every reader gets their own, whatever changes between freeze and claim."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from service import queue
from service.db import transaction
from service.domain.choosing import Choice, choose
from service.errors import BroadsheetError, Invalid
from service.operations import authoring, preparing, reporting, scheduling
from service.operations.authoring import Source
from service.operations.requests import build
from service.operations.sending import Claim, _claim
from service.settings import Settings, configure
from tests.builders import a_newsletter, people, readers
from tests.conftest import Sandbox, empty
from tests.forms import some

Sql = Callable[..., list[Any]]
Drain = Callable[..., int]

ENGLISH = """---
subject: News{% if organisation %} for {{ organisation }}{% endif %}
---

# News

English words{% if office == "Shanghai" %}, Shanghai{% elsif office %}, elsewhere{% endif %}.

{% if organisation %}
Of {{ organisation }}, {{ first_name }}.
{% endif %}
"""
GERMAN = "# Neues\n\nDeutsche Worte{% if organisation %} von {{ organisation }}{% endif %}.\n"
CHINESE = "# 新闻\n\n中文。\n"


def three_languages(english: str = ENGLISH) -> Source:
    nowhere = Path("/nonexistent")
    return Source(english, nowhere, versions={"zh-Hans": Source(CHINESE, nowhere), "de": Source(GERMAN, nowhere)})


def issue_of(newsletter: int, source: Source | None = None) -> int:
    return authoring.create_issue(source or three_languages(), newsletter_id=newsletter, actor="test")[0]


def told(sql: Sql, **people_say: dict[str, str]) -> None:
    """Give readers what is known of them; `r1` is the second of `people`."""
    for name, values in people_say.items():
        rest = {field: value for field, value in values.items() if field not in ("language", "first_name")}
        sql(
            "UPDATE subscribers SET language = %s, first_name = %s, attributes = %s WHERE address LIKE %s",
            values.get("language", ""),
            values.get("first_name", "Mei"),
            json.dumps(rest),
            f"reader{int(name[1:]):05d}@%",
        )


def sent(issue: int, drain: Drain) -> dict[str, Any]:
    scheduling.schedule(issue, actor="test")
    drain()
    with transaction() as tx:
        assert reporting.check_ledger(tx, issue) == []
    return reporting.show(issue)


def body(sandbox: Sandbox, number: int) -> str:
    (mail,) = sandbox.messages(f"reader{number:05d}@readers.example")
    return f"{mail['subject']}\n{mail['text']}"


@pytest.fixture
def newsletter(database: Settings) -> int:
    """A newsletter with six readers, whose fields are known to the text."""
    found = a_newsletter()
    readers(found, people(6))
    return found


SIX: dict[str, dict[str, str]] = {
    "r0": {},
    "r1": {"organisation": "Harbour", "office": "Shanghai"},
    "r2": {"language": "de-AT", "organisation": "Quay"},
    "r3": {"language": "DE", "organisation": "  "},
    "r4": {"language": "zh-TW", "organisation": "Lane"},
    "r5": {"language": "fr", "office": "Northmere"},
}


def test_each_reader_gets_their_own_variant(newsletter: int, drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    told(sql, **SIX)
    found = sent(issue_of(newsletter), drain)
    assert found["ledger"]["accepted"] == 6
    first = [body(sandbox, number) for number in range(6)]
    assert first[0].startswith("News\n")
    assert "English words." in first[0]
    assert first[1].startswith("News for Harbour\n")
    assert "English words, Shanghai." in first[1]
    assert "Of Harbour, Mei." in first[1]
    assert "Deutsche Worte von Quay." in first[2]
    assert "Deutsche Worte." in first[3]
    assert "中文。" in first[4]
    assert "English words, elsewhere." in first[5]
    assert {one["name"]: one["readers"] for one in found["variants"]} == {
        "en": 1,
        "en/office=Shanghai": 0,
        "en/office": 1,
        "en/organisation": 0,
        "en/organisation+office=Shanghai": 1,
        "en/organisation+office": 0,
        "de": 1,
        "de/organisation": 1,
        "zh-Hans": 1,
    }
    assert sandbox.stats["requests"] == 6, "a batch holds one variant"


def test_a_reader_whose_values_change_after_the_freeze_keeps_variant_and_values(
    newsletter: int, drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    told(sql, **SIX)
    issue = issue_of(newsletter)
    scheduling.schedule(issue, actor="test")
    drain(only=queue.PREPARE_ISSUE)
    told(sql, r1={}, r2={"organisation": "Elsewhere"}, r0={"organisation": "New"})
    drain()
    assert "Of Harbour, Mei." in body(sandbox, 1)
    assert "Deutsche Worte von Quay." in body(sandbox, 2)
    assert "Of " not in body(sandbox, 0)


def test_who_is_moved_to_an_untracked_batch_stays_in_their_variant(
    database: Settings, drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, people(6), tracking="agreed")
    told(sql, **SIX)
    issue = issue_of(newsletter)
    scheduling.schedule(issue, actor="test")
    drain(only=queue.PREPARE_ISSUE)
    sql("UPDATE subscriptions SET tracking = 'objected'")
    drain()
    assert reporting.show(issue)["ledger"]["accepted"] == 6
    assert "Deutsche Worte von Quay." in body(sandbox, 2)
    assert "中文。" in body(sandbox, 4)
    assert "Of Harbour, Mei." in body(sandbox, 1)
    tracked = sql(
        "SELECT DISTINCT c.tracked FROM deliveries d JOIN batches b ON b.id = d.batch_id JOIN cohorts c ON c.id = b.cohort_id"
    )
    assert tracked == [(False,)]


def test_only_the_readers_own_variant_asks_for_a_value(
    newsletter: int, drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    told(sql, **{name: {**values, "first_name": ""} for name, values in SIX.items()})
    found = sent(issue_of(newsletter), drain)
    assert found["ledger"]["excluded"] == {"render_error": 1}, "only r1's variant names the first name"
    assert sandbox.messages("reader00001@readers.example") == []


def test_the_same_words_in_the_same_variants_never_reach_a_reader_twice(
    newsletter: int, drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    told(sql, **SIX)
    sent(issue_of(newsletter), drain)
    told(sql, r0={"language": "de"})
    again = sent(issue_of(newsletter), drain)
    assert again["ledger"]["excluded"] == {"already_sent": 6}
    assert sandbox.stats["recipients"] == 6
    other = sent(issue_of(newsletter, three_languages(ENGLISH.replace("words", "phrases"))), drain)
    assert other["ledger"]["accepted"] == 6


@pytest.fixture
def swapped(sql: Sql) -> Iterator[None]:
    """A fault in the database: the readers of the first batch and of the last get each other's."""
    sql(
        """CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               NEW.batch_id := CASE NEW.batch_id WHEN (SELECT min(id) FROM batches) THEN (SELECT max(id) FROM batches)
                   WHEN (SELECT max(id) FROM batches) THEN (SELECT min(id) FROM batches) ELSE NEW.batch_id END;
               RETURN NEW;
           END $$"""
    )
    sql("CREATE TRIGGER swap BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION swap()")
    yield
    sql("DROP TRIGGER swap ON deliveries")
    sql("DROP FUNCTION swap()")


@pytest.mark.usefixtures("swapped")
def test_a_freeze_that_gives_a_reader_anothers_variant_is_refused_though_every_sum_is_right(
    newsletter: int, sql: Sql
) -> None:
    told(sql, **SIX)
    issue = issue_of(newsletter)
    scheduling.schedule(issue, actor="test")
    with pytest.raises(BroadsheetError, match="wrong_batches=0, in_another_variant=2"):
        preparing.prepare(issue)
    assert sql("SELECT count(*) FROM deliveries") == [(0,)], "nothing of it is kept, and nothing is sent"


def test_more_variants_than_an_issue_may_have_are_refused_and_leave_nothing(newsletter: int, sql: Sql) -> None:
    sql("UPDATE subscribers SET attributes = %s", json.dumps({f"f{n}": "x" for n in range(6)}))
    many = "# x\n\ny\n\n" + "".join(f"{{% if f{n} %}}{n}{{% endif %}}\n" for n in range(6))
    with pytest.raises(Invalid, match="make 64 variants of the text; an issue may have 32"):
        issue_of(newsletter, Source(many, Path("/nonexistent")))
    assert sql("SELECT count(*) FROM issues") == [(0,)]


def test_the_newsletters_own_language_needs_no_version(newsletter: int, sql: Sql) -> None:
    told(sql, **SIX)
    source = replace(three_languages(), versions={"EN": Source(GERMAN, Path("/nonexistent"))})
    with pytest.raises(Invalid, match="the newsletter's language, en, already"):
        issue_of(newsletter, source)


@pytest.mark.logs_addresses
def test_what_a_reader_is_called_is_never_read_as_a_tag(
    newsletter: int, drain: Drain, sandbox: Sandbox, sql: Sql
) -> None:
    attack = "{% if organisation %}{{ 7 * 7 }}{% endif %}"
    told(sql, r0={"first_name": attack, "organisation": "{{ config }}"})
    sent(
        issue_of(
            newsletter,
            Source(
                "# x\n\nDear {{ first_name }}{% if organisation %} of {{ organisation }}{% endif %}.\n",
                Path("/nonexistent"),
            ),
        ),
        drain,
    )
    assert f"Dear {attack} of {{{{ config }}}}." in body(sandbox, 0)


READER = st.fixed_dictionaries(
    {},
    optional={
        "language": st.sampled_from(["de", "DE-ch", "zh-TW", "zh", "fr", "en", " de ", "d", "zh_hant"]),
        "organisation": st.sampled_from(["", " ", "\u3000", "\u200e\u2003", "Harbour", "0", "'; --"]),
        "office": st.sampled_from(["Shanghai", " Shanghai", "shanghai", "x", ""]),
        "tracking": st.sampled_from(["agreed", "objected"]),
        "gone": st.just("yes"),
    },
)


def check_freeze(everybody: list[dict[str, str]], limit: int) -> None:
    """Freeze an issue for them, claim every batch, and compare each request with what the domain says of each reader."""
    empty()
    queue.use(lambda name, arguments: None)
    newsletter = a_newsletter()
    subscriptions = readers(newsletter, people(len(everybody)))
    with transaction() as tx:
        for subscription, known in zip(subscriptions, everybody, strict=True):
            given_values = {"id": subscription, "tracking": known.get("tracking", "unasked")}
            tx.execute("UPDATE subscriptions SET tracking = :tracking WHERE id = :id", given_values)
            tx.execute(
                """UPDATE subscribers SET language = :language, first_name = 'Mei', attributes = CAST(:attributes AS jsonb)
                   WHERE id = (SELECT subscriber_id FROM subscriptions WHERE id = :id)""",
                id=subscription,
                language=known.get("language", ""),
                attributes=json.dumps({"organisation": "", "office": "", **known}),
            )
            if "gone" in known:
                tx.execute("INSERT INTO suppressions (email_key, kind, source) SELECT email_key, 'complaint', 'test' FROM subscribers WHERE id = (SELECT subscriber_id FROM subscriptions WHERE id = :id)", id=subscription)  # fmt: skip
    issue = issue_of(newsletter)
    scheduling.schedule(issue, actor="test")
    assert preparing.prepare(issue)
    with transaction() as tx:
        assert reporting.check_ledger(tx, issue) == []
        variants = tx.execute("SELECT id, language, conditions FROM variants ORDER BY position").all()
        batches = list(tx.execute("SELECT id FROM batches WHERE state = 'pending' ORDER BY id").scalars())
    choices = [Choice(one.language, tuple(one.conditions)) for one in variants]
    claims = [claim for batch in batches if (claim := _claim(batch))]
    known_of = dict(zip(subscriptions, everybody, strict=True))
    for claim in claims:
        assert len(claim.readers) <= limit
        _check_claim(claim, known_of, [one.id for one in variants], choices)
    reached = sorted(reader.subscription_id for claim in claims for reader in claim.readers)
    assert reached == [one for one, known in known_of.items() if "gone" not in known], "each in exactly one variant"


def _check_claim(claim: Claim, known_of: dict[int, dict[str, str]], ids: list[int], choices: list[Choice]) -> None:
    request = build(claim.content, claim.readers, claim.attempt_id)
    for reader, personalization in zip(claim.readers, request["personalizations"], strict=True):
        known = known_of[reader.subscription_id]
        assert claim.content.variant_id == ids[choose(choices, known)], known
        assert claim.content.tracked == (known.get("tracking") == "agreed")
        text = request["content"][0]["value"]
        for marker, value in personalization["substitutions"].items():
            text = text.replace(marker, value)
        if claim.content.language == "en":
            assert ("Of " in text) == bool(known.get("organisation", "").strip(" \u3000\u200e\u2003"))
            assert (", Shanghai." in text) == (known.get("office", "").strip() == "Shanghai")
        assert ("Deutsche" in text) == (claim.content.language == "de")


@pytest.mark.timeout(600)
def test_every_candidate_is_in_exactly_one_variant_and_gets_its_words(database: Settings) -> None:
    configure(replace(database, batch_size=3))
    try:
        given(st.lists(READER, min_size=1, max_size=12))(
            settings(
                max_examples=some(25), phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck)
            )(lambda everybody: check_freeze(everybody, 3))
        )()
    finally:
        configure(database)
