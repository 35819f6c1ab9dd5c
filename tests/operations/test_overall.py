"""What a person must look at is told in a sentence each, and nothing where all is well."""

from collections.abc import Callable
from typing import Any

import pytest

from service import queue
from service.operations import overall, scheduling
from service.settings import Settings
from tests.builders import a_newsletter, an_issue, readers

Sql = Callable[..., list[Any]]
UNKNOWN = "DO $$ BEGIN UPDATE batches SET state = 'claimed'; UPDATE batches SET state = 'sending'; UPDATE batches SET state = 'unknown'{}; END $$"
IN_REVIEW = UNKNOWN.format(", review_at = now()")


@pytest.fixture
def issue(database: Settings, drain: Callable[..., int]) -> int:
    """One whose only batch nobody has claimed yet."""
    newsletter = a_newsletter()
    readers(newsletter, ["mei@readers.example"])
    made = an_issue(newsletter)
    scheduling.schedule(made, actor="test")
    drain(only=queue.PREPARE_ISSUE)
    return made


def test_nothing_is_wrong_with_a_fresh_installation_and_an_issue_on_its_way(issue: int) -> None:
    found = overall.status()
    assert (found["wrong"], found["issues"][0]["id"]) == ([], issue)


WRONG = [
    ("UPDATE installation SET created_at = now() - interval '1 hour'", "The duty “sweep sending” has never succeeded"),
    ("UPDATE installation SET mark = 0", "The database was restored: it is as it was at"),
    ("UPDATE installation SET epoch = 'another'", "This machine knows another database"),
    ("UPDATE installation SET restored_at = now(), restored_because = 'it was Sunday''s'", "This database was restored: it was Sunday's"),
    ("UPDATE installation SET stopped_at = now(), stopped_because = 'a wrong link'", "Everything is halted: a wrong link."),
    (
        "INSERT INTO workers (name, kind, queues, pid, host, version, started_at, last_seen_at) VALUES ('m', 'worker', '{mail}', 1, 'h', '1', now(), now() - interval '2 minutes')",
        "No worker of the queue “mail” has been seen for more than a minute",
    ),
    ("INSERT INTO payloads (body, events, state) VALUES ('', 1, 'set-aside')", "`broadsheet replay` takes up what was set aside"),
    ("INSERT INTO payloads (body, events, received_at) VALUES ('', 1, now() - interval '11 minutes')", "1 payload waits for more than ten minutes"),
    ("INSERT INTO alarms (kind, subject, told) VALUES ('late', 'sweep sending', 'It is late.')", "1 alarm is open: `broadsheet alarms list`"),
    ("UPDATE issues SET state = 'held', state_reason = 'it was due two hours ago'", "is held: look at it, then `broadsheet issue resume"),
    ("UPDATE issues SET state = 'paused', state_reason = 'five answers in a row were unknown'", "is paused: look at it"),
    (IN_REVIEW, "1 unknown batch waits for a decision"),
    (IN_REVIEW.replace("END", "UPDATE issues SET state = 'cancelled'; END"), "waits for a decision"),
]  # fmt: skip


@pytest.mark.parametrize(("done", "told"), WRONG)
def test_what_needs_a_person_is_told(issue: int, sql: Sql, done: str, told: str) -> None:
    sql(done)
    assert told in "\n".join(overall.status()["wrong"])


@pytest.mark.parametrize(
    "done",
    [
        "UPDATE issues SET state = 'paused', state_reason = 'paused by a person'",
        UNKNOWN.format(""),
        "UPDATE issues SET state = 'cancelled'",
        "INSERT INTO payloads (body, events) VALUES ('', 1)",
        "UPDATE installation SET epoch = NULL",
        "INSERT INTO alarms (kind, subject, told, acknowledged_at, acknowledged_because) VALUES ('late', 'x', 'It is late.', now(), 'seen to')",
    ],
)
def test_what_settles_by_itself_or_was_decided_is_not_wrong(issue: int, sql: Sql, done: str) -> None:
    sql(done)
    assert overall.status()["wrong"] == []
