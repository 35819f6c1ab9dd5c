"""An unknown batch is sent again without a person only after a quiet hour that every condition speaks for."""

from collections.abc import Callable

import pytest

from service.errors import Forbidden
from service.operations import resending
from tests.conftest import Sandbox
from tests.operations.test_sending import Change, Drain, Sql, book, scheduled, state
from tests.team import actor_of, an_operator


@pytest.fixture
def quiet(drain: Drain, sandbox: Sandbox, sql: Sql, other_settings: Change) -> int:
    """An issue that opted in, with one unknown batch of five, and an hour that speaks for it."""
    other_settings(batch_size=2)
    sandbox.script(rules=[{"when": {"nth": 1}, "do": "drop"}])
    issue, _ = scheduled(10, drain)
    drain()
    resending.opt(issue, into=True, actor="test")
    sql("UPDATE attempts SET armed_at = now() - interval '30 minutes', evidence_at = now() WHERE state = 'accepted'")
    sql("UPDATE attempts SET armed_at = now() - interval '61 minutes' WHERE state = 'unknown'")
    sql(
        """INSERT INTO payloads (body, events, state, received_at)
           SELECT '', 1, 'ingested', now() - n * interval '4 minutes' FROM generate_series(0, 16) n"""
    )
    return issue


def test_a_quiet_hour_sends_it_again_once(quiet: int, drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    assert resending.resend_quiet() == 1
    drain()
    assert (book(quiet)["accepted"], state(quiet), sandbox.stats["duplicates"]) == (10, "sent", 0)
    assert sql("SELECT count(*) FROM audit_entries WHERE action = 'resend'") == [(1,)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE issues SET resends_unknown = false",
        "UPDATE issues SET state = 'paused'",
        "UPDATE attempts SET armed_at = now() - interval '59 minutes' WHERE state = 'unknown'",
        "UPDATE attempts SET evidence_at = NULL WHERE id IN (SELECT id FROM attempts WHERE state = 'accepted' LIMIT 2)",
        "UPDATE attempts SET armed_at = now() - interval '62 minutes' WHERE id IN (SELECT id FROM attempts WHERE state = 'accepted' LIMIT 2)",
        "UPDATE payloads SET received_at = received_at - interval '6 minutes' WHERE received_at > now() - interval '5 minutes'",
        "DELETE FROM payloads WHERE received_at BETWEEN now() - interval '25 minutes' AND now() - interval '19 minutes'",
        "UPDATE payloads SET state = 'pending' WHERE received_at > now() - interval '1 minute'",
        "UPDATE attempts SET evidence_at = now() WHERE state = 'unknown'",
    ],
    ids=["opted out", "paused", "too early", "little evidence", "evidence of earlier ones", "no fresh hook", "a gap", "unread", "proved"],
)  # fmt: skip
def test_otherwise_it_waits(quiet: int, sql: Sql, change: str) -> None:
    sql(change)
    assert resending.resend_quiet() == 0


def test_it_is_not_sent_a_third_time(quiet: int, drain: Drain, sandbox: Sandbox, sql: Sql) -> None:
    sandbox.script(rules=[{"when": {"every": 1}, "do": "drop"}])
    assert resending.resend_quiet() == 1
    drain()
    sql("UPDATE attempts SET armed_at = now() - interval '61 minutes' WHERE state = 'unknown'")
    assert resending.resend_quiet() == 0


def test_only_an_owner_takes_the_risk(quiet: int, sql: Callable[..., object]) -> None:
    with pytest.raises(Forbidden):
        resending.opt(quiet, into=True, actor=actor_of(an_operator("editor")))
