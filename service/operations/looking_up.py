"""Asks SendGrid about requests that had no answer. Its Email Activity names the attempt, so a message there proves it as an event does;
its suppression lists name addresses only, so they are shown and prove nothing. Silence never proves anything."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from service.clients import sendgrid_lookups
from service.clients.sendgrid_lookups import Message, NoAnswer, NotOffered, TooOften
from service.db import Transaction, transaction
from service.operations.auditing import audit
from service.operations.bells import go_on
from service.operations.duties import duty
from service.operations.looked_up import clock
from service.operations.recording import accept_late
from service.settings import current

log = structlog.get_logger(__name__)

FIRST_AFTER = timedelta(minutes=2)
"""Events come sooner, and cost nothing."""
LONGEST_BETWEEN = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)
"""SendGrid keeps the activity of an account for three days, if no more was bought."""
A_MINUTE = 5
"""SendGrid lets six through; one is left for a person who looks at the same time."""
NOT_OFFERED = timedelta(days=1)
THROTTLED = timedelta(minutes=1)
LONGEST_THROTTLED = timedelta(minutes=15)
UNANSWERED = timedelta(minutes=1)
CLOCKS = timedelta(minutes=10)
"""How far SendGrid's clock and ours may differ."""

_DUE = """
    SELECT a.id, a.batch_id, a.armed_at FROM attempts a JOIN batches b ON b.id = a.batch_id
    WHERE a.state = 'unknown' AND a.evidence_at IS NULL AND a.provider = :provider
      AND a.armed_at < clock_timestamp() - CAST(:first AS interval) AND a.armed_at > clock_timestamp() - CAST(:last AS interval)
      AND NOT EXISTS (SELECT FROM lookups c WHERE c.source = :source AND c.closed_until > clock_timestamp())
      AND (SELECT count(*) FROM lookups m WHERE m.source = :source AND m.asked_at > clock_timestamp() - interval '60 seconds') < :most
      AND NOT EXISTS (SELECT FROM lookups n WHERE n.attempt_id = a.id AND n.source = :source GROUP BY n.attempt_id
          HAVING max(n.asked_at) > clock_timestamp() - least(CAST(:between AS interval), CAST(:first AS interval) * 2 ^ least(count(*), 10)))
    ORDER BY b.state = 'unknown' DESC, (SELECT count(*) FROM lookups k WHERE k.attempt_id = a.id AND k.source = :source), a.armed_at LIMIT 1
"""
# Of a batch that was split since, the readers are in its parts.
_READERS = """
    WITH RECURSIVE parts AS (
        SELECT CAST(:batch AS bigint) AS id UNION SELECT b.id FROM batches b JOIN parts p ON b.parent_id = p.id
    )
    SELECT lower(s.address) FROM deliveries d JOIN parts p ON p.id = d.batch_id JOIN subscribers s ON s.id = d.subscriber_id
    WHERE d.excluded IS NULL AND d.failed IS NULL
"""


@dataclass(frozen=True)
class _Question:
    id: int
    attempt_id: uuid.UUID
    batch_id: int
    armed_at: datetime


@dataclass(frozen=True)
class _Answer:
    """`closed`: how long nobody asks this source again."""

    found: int | None = None
    fault: str | None = None
    closed: timedelta | None = None


def look_up() -> None:
    """Ask each source about one attempt at most, and go by what it says."""
    duty("look up unknown", _look_up)


def _look_up() -> None:
    for source, ask in (("activity", _activity), ("suppressions", _suppressions)):
        question = _claim(source)
        if question is None:
            continue
        with transaction() as tx:
            readers = set(tx.execute(_READERS, batch=question.batch_id).scalars())
        answer = _asked(lambda ask=ask, question=question, readers=readers: ask(question, readers))  # type: ignore[misc]
        _record(source, question, answer)


def _claim(source: str) -> _Question | None:
    """Written down before it is asked, so that no two processes, and none that dies, ask more often than they may."""
    with transaction() as tx:
        tx.execute("SELECT pg_advisory_xact_lock(hashtext('look up ' || :source))", source=source)
        due = tx.execute(
            _DUE,
            source=source,
            provider=current().provider,
            most=A_MINUTE,
            first=FIRST_AFTER,
            last=GIVE_UP_AFTER,
            between=LONGEST_BETWEEN,
        ).one_or_none()
        if due is None:
            return None
        made = tx.execute(
            "INSERT INTO lookups (attempt_id, source) VALUES (:attempt, :source) RETURNING id",
            attempt=due.id,
            source=source,
        ).scalar_one()
        return _Question(made, due.id, due.batch_id, due.armed_at)


def _asked(ask: Callable[[], _Answer]) -> _Answer:
    try:
        return ask()
    except NotOffered as error:
        return _Answer(fault=f"not offered: {error.status}", closed=NOT_OFFERED)
    except TooOften as error:
        wait = THROTTLED if error.seconds is None else timedelta(seconds=min(max(error.seconds, 1), 86400))
        return _Answer(fault="asked too often", closed=min(wait, LONGEST_THROTTLED))
    except NoAnswer as error:
        return _Answer(fault=str(error), closed=UNANSWERED)


def _activity(question: _Question, readers: set[str]) -> _Answer:
    """Only what fits counts: messages to readers of this batch, and not older than the request. Where most are of others, another
    question was answered."""
    messages = sendgrid_lookups.messages_of(question.attempt_id)
    fitting = sum(_fits(one, question, readers) for one in messages)
    if messages and fitting * 2 <= len(messages):
        return _Answer(fault="an answer about other mails")
    return _Answer(found=fitting)


def _fits(message: Message, question: _Question, readers: set[str]) -> bool:
    return message.address in readers and message.at >= question.armed_at - CLOCKS


def _suppressions(question: _Question, readers: set[str]) -> _Answer:
    listed = sendgrid_lookups.suppressed_since(question.armed_at)
    return _Answer(found=len(readers & set().union(*listed.values())))


def _record(source: str, question: _Question, answer: _Answer) -> None:
    with transaction() as tx:
        tx.execute(
            """UPDATE lookups SET found = :found, fault = :fault, closed_until = clock_timestamp() + CAST(:closed AS interval)
               WHERE id = :id""",
            found=answer.found,
            fault=answer.fault,
            closed=answer.closed,
            id=question.id,
        )
        if answer.fault:
            log.warning("look-up without an answer", source=source, batch=question.batch_id, fault=answer.fault)
        issue_id = _prove(tx, question, answer.found) if source == "activity" and answer.found else None
    if issue_id is not None:
        with transaction() as tx:
            go_on(tx, issue_id)


def _prove(tx: Transaction, question: _Question, messages: int) -> int | None:
    """A message that carries the attempt's id proves that SendGrid took it. The issue, when that settled a batch."""
    row = tx.execute(
        """UPDATE attempts SET evidence_at = coalesce(evidence_at, clock_timestamp()) WHERE id = :id
           RETURNING issue_id, state""",
        id=question.attempt_id,
    ).one()
    if row.state != "unknown":
        return None
    asked_at = tx.execute("SELECT asked_at FROM lookups WHERE id = :id", id=question.id).scalar_one()
    settled = accept_late(tx, question.attempt_id, f"SendGrid's Email Activity showed it at {clock(asked_at)}")
    audit(
        tx,
        "service",
        "evidence of the activity",
        f"batch {question.batch_id}",
        attempt=str(question.attempt_id),
        asked_at=asked_at.isoformat(),
        messages=messages,
    )
    log.info("batch proved by the activity", batch=question.batch_id, messages=messages)
    issue_id: int = row.issue_id
    return issue_id if settled else None
