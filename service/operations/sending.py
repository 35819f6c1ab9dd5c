"""Sends one batch: claim, arm, call, record. The claim re-reads consent; arming is committed before a byte is written; the
call is outside any transaction; what cannot be known is recorded as unknown and never sent again blindly."""

import hashlib
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError, OperationalError
from structlog.contextvars import bind_contextvars

from service import epoch
from service.clients import sendgrid
from service.db import Transaction, transaction
from service.domain.outcomes import Answer, Reason, Verdict
from service.errors import BroadsheetError, RetryLater
from service.log import named
from service.operations import breakers
from service.operations.bells import STALE, go_on, ring
from service.operations.epochs_known import IN_FORCE
from service.operations.providers import refuse_if_foreign
from service.operations.recording import record, release, unarmed_release
from service.operations.requests import Content, Reader, build, content_of
from service.settings import current

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=90)
"""From claim to record. Longer than the claim's greatest age plus the POST's timeout; shorter than a task may run."""
GREATEST_AGE = 10.0
"""Seconds after which the consent read by a claim is too old to send by."""
RECORD_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries to record an answer, within the lease."""
LARGEST_BODY = 20 * 1024 * 1024
"""Bytes; SendGrid refuses 30 MB."""

_CLAIM = f"""
    UPDATE batches b SET state = 'claimed', rung_at = NULL, attempts = b.attempts + 1
    FROM issues i, installation
    WHERE b.id = :batch AND b.state = 'pending' AND (b.not_before IS NULL OR b.not_before <= clock_timestamp())
      AND i.id = b.issue_id AND i.state = 'sending' AND i.provider = :provider AND installation.stopped_at IS NULL
      AND NOT ({STALE}) AND {IN_FORCE}
    RETURNING b.issue_id, b.cohort_id, b.attempts, clock_timestamp() AS claimed_at
"""
# Read after `claimed_at` was taken, by a statement of its own and so with a snapshot of its own: whoever left before that
# moment is seen here. No lock on a thousand subscriptions: who leaves after it may still get this copy.
# One look at everything: three statements that each find a thousand readers again take twice as long.
_LOOK = """
    SELECT d.id, d.subscription_id, s.address, d.values, n.tracking, CASE
        WHEN s.id IS NULL OR n.id IS NULL THEN :erased
        WHEN s.email_key <> d.email_key THEN :address_changed
        WHEN EXISTS (SELECT FROM suppressions p WHERE p.email_key = d.email_key AND p.lifted_at IS NULL) THEN :suppressed
        WHEN n.state <> 'active' THEN :left
        WHEN w.needs_export_consent AND n.export_consent <> 'agreed' THEN :no_export_consent
        WHEN n.expires_at <= clock_timestamp() THEN :expired
        WHEN n.paused_until > clock_timestamp() THEN :paused
    END AS reason
    FROM deliveries d
    LEFT JOIN subscribers s ON s.id = d.subscriber_id
    LEFT JOIN subscriptions n ON n.id = d.subscription_id
    LEFT JOIN newsletters w ON w.id = n.newsletter_id
    WHERE d.batch_id = :batch AND d.excluded IS NULL AND d.failed IS NULL ORDER BY d.id
"""
# Below a million readers the planner would rather read all of them than find a thousand by their ids (measured at 150,000:
# 57 ms a batch, and more with every reader).
_BY_ID = "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"
_EXCLUDE = """
    UPDATE deliveries d SET excluded = x.reason FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[])) AS x (id, reason)
    WHERE d.id = x.id AND d.excluded IS NULL AND d.failed IS NULL
"""
READERS_OF_BATCH = """
    SELECT d.id, d.subscription_id, s.address, d.values
    FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id
    WHERE d.batch_id = :batch AND d.excluded IS NULL AND d.failed IS NULL ORDER BY d.id
"""
_ARM = f"""
    UPDATE attempts a SET state = 'sending', armed_at = clock_timestamp(), body_sha256 = :hash
    FROM issues i, installation, batches b
    WHERE a.id = :attempt AND a.state = 'claimed' AND a.lease_until > clock_timestamp() + :post_timeout
      AND a.claimed_at > clock_timestamp() - :greatest_age
      AND b.id = a.batch_id AND b.state = 'claimed'
      AND i.id = a.issue_id AND i.state = 'sending' AND i.provider = :provider AND installation.stopped_at IS NULL
      AND NOT EXISTS (SELECT FROM breakers k WHERE k.provider = :provider
          AND (k.state = 'refused' OR k.state = 'open' AND k.probe_batch IS DISTINCT FROM b.id))
      AND {IN_FORCE}
    RETURNING a.batch_id
"""


@dataclass(frozen=True)
class Claim:
    """A batch that this process alone may send, once, until its lease ends. `read_at` is on the monotonic clock."""

    issue_id: int
    batch_id: int
    attempt_id: uuid.UUID
    content: Content
    readers: list[Reader]
    read_at: float


@named("batch")
def send_batch(batch_id: int) -> None:
    """Send the batch, unless it is not due, not ours to send, or somebody else has it."""
    try:
        claim = _claim(batch_id)
    except Exception:
        with transaction() as tx:
            tx.execute("UPDATE batches SET rung_at = NULL WHERE id = :id AND state = 'pending'", id=batch_id)
        raise
    if claim is not None:
        _send(claim)


def _send(claim: Claim) -> None:
    """Arm, call, record."""
    bind_contextvars(issue=claim.issue_id, attempt=str(claim.attempt_id))
    try:
        body = _armed_body(claim)
    except Exception as error:
        _give_up(claim, f"not sent: {type(error).__name__}")
        raise
    if body is None:
        return
    if not _noted(claim):
        _finish(claim, Verdict(Answer.NOT_CONNECTED, reason="the epoch file cannot be written"), armed=True)
        return
    if time.monotonic() - claim.read_at > GREATEST_AGE:
        # Arming took long: nothing was written yet, and who left meanwhile must not get it.
        _finish(claim, Verdict(Answer.NOT_CONNECTED, reason="the claim grew old while it was armed"), armed=True)
        return
    _finish(claim, sendgrid.post(body), armed=True)


def _armed_body(claim: Claim) -> bytes | None:
    """The request, when it may be posted now: armed, and not too large. None when the batch was dealt with otherwise."""
    encoded = sendgrid.encode(build(claim.content, claim.readers, claim.attempt_id))
    if len(encoded) > LARGEST_BODY:
        _finish(claim, Verdict(Answer.TOO_LARGE, reason=f"the request would have {len(encoded):,} bytes"), armed=False)
        return None
    if time.monotonic() - claim.read_at > GREATEST_AGE or not _arm(claim, hashlib.sha256(encoded).digest()):
        _give_up(claim, "not armed: the claim was too old, or sending was stopped")
        return None
    return encoded


def _give_up(claim: Claim, reason: str) -> None:
    """Give the batch back unsent. Does nothing once it is armed."""
    with transaction() as tx:
        unarmed_release(tx, claim.attempt_id, reason)
        ring(tx, claim.issue_id)


def _claim(batch_id: int) -> Claim | None:
    """Take the batch, exclude who is gone, move out who no longer agrees to tracking, and open an attempt."""
    with transaction() as tx:
        if not breakers.admits(tx, batch_id):
            return None
        known = epoch.parameters()
        taken = tx.execute(_CLAIM, known, batch=batch_id, provider=current().provider).mappings().one_or_none()
        if taken is None:
            refuse_if_foreign(
                tx, tx.execute("SELECT issue_id FROM batches WHERE id = :id", id=batch_id).scalar_one_or_none()
            )
            return None
        read_at = time.monotonic()
        issue_id = taken["issue_id"]
        content = content_of(tx, taken["cohort_id"])
        gone, moved, readers = _look(tx, batch_id, content)
        tx.execute(
            "UPDATE batches SET excluded = excluded + :gone, size = size - :moved WHERE id = :batch",
            gone=gone,
            moved=moved,
            batch=batch_id,
        )
        if not readers:
            tx.execute(
                "UPDATE batches SET state = 'failed', reason = 'nobody is left in it' WHERE id = :batch", batch=batch_id
            )
        else:
            attempt_id = _open_attempt(tx, batch_id, issue_id, taken["attempts"], taken["claimed_at"], len(readers))
    if not readers:
        with transaction() as tx:
            go_on(tx, issue_id)
        return None
    return Claim(issue_id, batch_id, attempt_id, content, readers, read_at)


_REASONS = {
    reason.value: reason.value
    for reason in (
        Reason.ERASED,
        Reason.ADDRESS_CHANGED,
        Reason.SUPPRESSED,
        Reason.LEFT,
        Reason.NO_EXPORT_CONSENT,
        Reason.EXPIRED,
        Reason.PAUSED,
    )
}


def _open_attempt(
    tx: Transaction, batch_id: int, issue_id: int, number: int, claimed_at: datetime, readers: int
) -> uuid.UUID:
    attempt_id = uuid.uuid4()
    tx.execute(
        """INSERT INTO attempts (id, issue_id, batch_id, number, provider, readers, claimed_at, lease_until)
           VALUES (:id, :issue, :batch, :number, :provider, :readers, :claimed_at, clock_timestamp() + :lease)""",
        id=attempt_id,
        issue=issue_id,
        batch=batch_id,
        number=number,
        provider=current().provider,
        readers=readers,
        claimed_at=claimed_at,
        lease=LEASE,
    )
    return attempt_id


def _look(tx: Transaction, batch_id: int, content: Content) -> tuple[int, int, list[Reader]]:
    """How many were excluded and how many moved out, and who is left."""
    tx.execute(_BY_ID)
    found = tx.execute(_LOOK, batch=batch_id, **_REASONS).all()
    gone = [(row.id, row.reason) for row in found if row.reason is not None]
    excluded = _exclude(tx, gone) if gone else 0
    staying = [row for row in found if row.reason is None]
    moving = [row.id for row in staying if content.tracked and not _agrees(row.tracking, content.tracking_policy)]
    moved = _move_untracked(tx, batch_id, content, moving)
    left_out = set(moving)
    return excluded, moved, [Reader(*row[:4]) for row in staying if row.id not in left_out]


def _exclude(tx: Transaction, gone: list[tuple[int, str]]) -> int:
    ids, reasons = zip(*gone, strict=True)
    return tx.execute(_EXCLUDE, ids=list(ids), reasons=list(reasons)).rowcount


def _agrees(tracking: str, policy: str) -> bool:
    return tracking == "agreed" if policy == "agreed" else tracking != "objected"


def _move_untracked(tx: Transaction, batch_id: int, content: Content, moving: list[int]) -> int:
    """Readers of a tracked batch who no longer agree go to an untracked batch of the same issue; nobody is lost."""
    if not moving:
        return 0
    tx.execute(
        "INSERT INTO cohorts (issue_id, variant_id, tracked) VALUES (:issue, :variant, false) ON CONFLICT DO NOTHING",
        issue=content.issue_id,
        variant=content.variant_id,
    )
    new_batch = tx.execute(
        """INSERT INTO batches (issue_id, cohort_id, parent_id, size)
           SELECT :issue, id, :batch, :size FROM cohorts WHERE issue_id = :issue AND variant_id = :variant AND NOT tracked RETURNING id""",
        issue=content.issue_id,
        variant=content.variant_id,
        batch=batch_id,
        size=len(moving),
    ).scalar_one()
    tx.execute("UPDATE deliveries SET batch_id = :new WHERE id = ANY(:ids)", new=new_batch, ids=moving)
    return len(moving)


def _arm(claim: Claim, body_hash: bytes) -> bool:
    """The last look before the socket opens, committed: from here on the batch may have been sent."""
    with transaction() as tx:
        armed = tx.execute(
            _ARM,
            epoch.parameters(),
            attempt=claim.attempt_id,
            hash=body_hash,
            provider=current().provider,
            post_timeout=timedelta(seconds=current().post_timeout),
            greatest_age=timedelta(seconds=GREATEST_AGE),
        ).rowcount
        if armed:
            tx.execute(
                "UPDATE batches SET state = 'sending' WHERE id = :batch AND state = 'claimed'", batch=claim.batch_id
            )
    return armed == 1


def _noted(claim: Claim) -> bool:
    """Whether it stands outside the database, too, that this is being sent: by that an older database is recognised."""
    try:
        epoch.remember_attempt(str(claim.attempt_id))
    except (OSError, BroadsheetError) as error:
        log.error("the epoch file cannot be written", error=type(error).__name__)
        return False
    return True


def _finish(claim: Claim, verdict: Verdict, *, armed: bool) -> None:
    """Record the answer, and go on. The answer is in hand and exists nowhere else: a database that restarts just now is
    worth a few tries. Recording twice writes once, so a commit whose answer was lost does no harm."""
    deliveries = [reader.delivery_id for reader in claim.readers]
    for pause in RECORD_PAUSES:
        try:
            with transaction() as tx:
                (record if armed else release)(tx, claim.attempt_id, verdict, deliveries)
            break
        except DBAPIError as error:
            if not error.connection_invalidated and not isinstance(error, OperationalError):
                raise
            log.warning("answer not recorded yet", batch=claim.batch_id, answer=str(verdict.answer))
            time.sleep(pause)
    else:
        raise RetryLater(
            f"the answer to batch {claim.batch_id} could not be recorded: its lease ends, and then it is unknown"
        )
    log.info(
        "batch recorded",
        issue=claim.issue_id,
        batch=claim.batch_id,
        answer=str(verdict.answer),
        status=verdict.status,
        readers=len(deliveries),
    )
    with transaction() as tx:
        go_on(tx, claim.issue_id)
