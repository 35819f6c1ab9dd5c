"""Stops sending by a key that does not work, before every batch is unknown: five faults within a minute open its breaker, a minute
later one small batch at a time is tried, three that went well close it. A refused key waits for a person."""

from datetime import timedelta

from service import epoch, queue
from service.db import Transaction
from service.domain.outcomes import Answer, Verdict
from service.operations import alarms
from service.operations.epochs_known import IN_FORCE
from service.operations.splitting import split
from service.settings import current

FAULTS = 5
WINDOW = timedelta(seconds=60)
OPEN_FOR = timedelta(seconds=60)
PROBE_READERS = 50
PROBE_LASTS = timedelta(seconds=90)
"""As long as a claim: whoever probes and dies holds the others up no longer."""
GOOD = 3

_FAULT = """
    INSERT INTO breakers (provider, faults) VALUES (:provider, ARRAY[clock_timestamp()])
    ON CONFLICT (provider) DO UPDATE SET
        faults = ARRAY(SELECT f FROM unnest(breakers.faults) f WHERE f > clock_timestamp() - CAST(:window AS interval)) || clock_timestamp()
    RETURNING state, cardinality(faults) AS faults
"""
_GOOD = """
    UPDATE breakers SET good = good + 1, probe_batch = NULL, probe_until = NULL
    WHERE provider = :provider AND state = 'open' AND probe_batch = :batch RETURNING good
"""
_DUE = f"""
    SELECT b.* FROM batches b JOIN issues i ON i.id = b.issue_id, installation x
    WHERE b.id = :batch AND b.state = 'pending' AND (b.not_before IS NULL OR b.not_before <= clock_timestamp())
      AND i.state = 'sending' AND i.provider = :provider AND x.stopped_at IS NULL AND {IN_FORCE} FOR UPDATE OF b
"""


def admits(tx: Transaction, batch_id: int) -> bool:
    """Whether the batch may be claimed, as far as this process's key goes. When it is time to try the key again, the batch is the
    trial, or a few readers are split off it, who are."""
    key = {"provider": current().provider}
    if tx.execute("SELECT FROM breakers WHERE provider = :provider AND state <> 'closed'", key).one_or_none() is None:
        return True
    row = tx.execute(
        """SELECT state, open_until <= clock_timestamp() AS is_over, probe_batch, coalesce(probe_until > clock_timestamp(), false) AS probing
           FROM breakers WHERE provider = :provider FOR UPDATE""",
        key,
    ).one()
    if row.state == "closed":
        return True
    may_try = row.state == "open" and row.is_over and (not row.probing or row.probe_batch == batch_id)
    if may_try and _begin_trial(tx, batch_id) == batch_id:
        return True
    tx.execute("UPDATE batches SET rung_at = NULL WHERE id = :id AND state = 'pending'", id=batch_id)
    return False


def _begin_trial(tx: Transaction, batch_id: int) -> int | None:
    """The batch that is the trial; None when this one is not due."""
    batch = tx.execute(_DUE, epoch.parameters(), batch=batch_id, provider=current().provider).mappings().one_or_none()
    if batch is None:
        return None
    readers = list(
        tx.execute(
            "SELECT id FROM deliveries WHERE batch_id = :id AND excluded IS NULL AND failed IS NULL ORDER BY id",
            id=batch_id,
        ).scalars()
    )
    trial_id = batch_id
    if len(readers) > PROBE_READERS:
        trial_id = split(tx, dict(batch), readers, "a few of it were sent first, as a trial", first=PROBE_READERS)
        tx.enqueue(queue.SEND_BATCH, trial_id)
    tx.execute(
        "UPDATE breakers SET probe_batch = :batch, probe_until = clock_timestamp() + CAST(:lasts AS interval) WHERE provider = :provider",
        batch=trial_id,
        lasts=PROBE_LASTS,
        provider=current().provider,
    )
    return trial_id


def note(tx: Transaction, batch_id: int, verdict: Verdict) -> None:
    """Learn from an answer."""
    provider = current().provider
    if verdict.answer is Answer.UNAUTHORISED:
        _refuse(tx, provider, verdict.reason)
    elif verdict.answer in (Answer.UNKNOWN, Answer.THROTTLED):
        found = tx.execute(_FAULT, provider=provider, window=WINDOW * current().pace).one()
        if found.state == "open" or (found.state == "closed" and found.faults >= FAULTS):
            _open(tx, provider, verdict.reason)
    elif verdict.answer is Answer.ACCEPTED:
        good = tx.execute(_GOOD, provider=provider, batch=batch_id).scalar_one_or_none()
        if good is not None and good >= GOOD:
            tx.execute("UPDATE breakers SET state = 'closed', faults = '{}' WHERE provider = :p", p=provider)
            alarms.close(tx, "breaker", provider)
    else:
        # A reader's fault, or a request that never left: the key is neither better nor worse for it.
        tx.execute(
            "UPDATE breakers SET probe_batch = NULL, probe_until = NULL WHERE provider = :p AND probe_batch = :batch",
            p=provider,
            batch=batch_id,
        )


def _open(tx: Transaction, provider: str, reason: str) -> None:
    tx.execute(
        """UPDATE breakers SET state = 'open', good = 0, probe_batch = NULL, probe_until = NULL,
               open_until = clock_timestamp() + CAST(:lasts AS interval) WHERE provider = :provider""",
        lasts=OPEN_FOR * current().pace,
        provider=provider,
    )
    alarms.open_alarm(
        tx,
        "breaker",
        provider,
        f"SendGrid did not take {FAULTS} requests within a minute (the last: {reason}). Nothing is sent for a minute; then a few copies are tried, and all goes on by itself when they are taken.",
    )


def _refuse(tx: Transaction, provider: str, reason: str) -> None:
    tx.execute(
        """INSERT INTO breakers (provider, state) VALUES (:provider, 'refused')
           ON CONFLICT (provider) DO UPDATE SET state = 'refused', probe_batch = NULL, probe_until = NULL""",
        provider=provider,
    )
    alarms.close(tx, "breaker", provider)
    alarms.open_alarm(
        tx,
        "key",
        provider,
        f"SendGrid refuses the key ({reason}). Nothing is sent by it. Mend the cause, acknowledge this, and then resume the issue.",
    )
