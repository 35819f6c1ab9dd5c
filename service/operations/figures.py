"""Looks at an issue's counts while it is sent, and says which of them are bad enough to stop it. Asks batches and attempts, of which a
million readers make a thousand, and counts that were made already."""

from dataclasses import dataclass

from service.db import Transaction
from service.operations import counting

LEAST_ATTEMPTS, LEAST_UNKNOWN, MOST_UNKNOWN = 50, 3, 0.02
LEAST_DELIVERED, LEAST_COMPLAINTS, MOST_COMPLAINTS = 200, 2, 0.001
MOST_BOUNCES = 0.05
"""Shares, and how much there must be before a share says anything: one unknown batch of ten is no trend."""
GROWN = 1.5
"""What a person has acknowledged is told again when there is half as much more."""

_ATTEMPTS = """
    SELECT count(*) FILTER (WHERE armed_at IS NOT NULL) AS attempts, count(*) FILTER (WHERE state = 'unknown') AS unknown
    FROM attempts WHERE issue_id = :issue
"""
# A split batch's readers are its children's: two attempts of a line both taken are two copies to somebody.
_TWICE = """
    WITH taken AS (SELECT id, batch_id FROM attempts WHERE issue_id = :issue AND evidence_at IS NOT NULL)
    SELECT count(*) FROM (
        SELECT batch_id FROM taken GROUP BY batch_id HAVING count(*) > 1
        UNION SELECT c.batch_id FROM taken c JOIN batches b ON b.id = c.batch_id JOIN batches p ON p.id = b.parent_id AND p.state = 'split'
        JOIN taken t ON t.batch_id = p.id
    ) twice
"""
_HANDED_OVER = """
    SELECT coalesce(sum(size - excluded - failed), 0)::bigint FROM batches
    WHERE issue_id = :issue AND state IN ('claimed', 'sending', 'accepted', 'unknown')
"""


@dataclass(frozen=True)
class Bad:
    """A count that stops an issue. `kind` names the alarm, `number` is what was counted."""

    kind: str
    number: int
    told: str


def bad_of(tx: Transaction, issue_id: int) -> list[Bad]:
    """What is bad about the issue's figures now. Read at one moment: the caller's transaction is REPEATABLE READ."""
    attempts = tx.execute(_ATTEMPTS, issue=issue_id).one()
    events = counting.events(tx, issue_id)
    handed_over = tx.execute(_HANDED_OVER, issue=issue_id).scalar_one()
    found = [
        _unknown(attempts.attempts, attempts.unknown),
        *_by_readers(events),
        _twice(tx.execute(_TWICE, issue=issue_id).scalar_one()),
        _strangers(max(events.get(kind, 0) for kind in ("processed", "delivered", "bounced")), handed_over),
    ]
    return [one for one in found if one is not None]


def _unknown(attempts: int, unknown: int) -> Bad | None:
    if attempts < LEAST_ATTEMPTS or unknown < LEAST_UNKNOWN or unknown <= MOST_UNKNOWN * attempts:
        return None
    return Bad(
        "unknown rate",
        unknown,
        f"of {attempts:,} requests, nobody can say whether SendGrid took {unknown:,}. Look at SendGrid's status before you resume.",
    )


def _by_readers(events: dict[str, int]) -> list[Bad | None]:
    delivered, bounced, complained = (events.get(kind, 0) for kind in ("delivered", "bounced", "complained"))
    ended = delivered + bounced
    if ended < LEAST_DELIVERED:
        return []
    many = complained >= LEAST_COMPLAINTS and complained > MOST_COMPLAINTS * delivered
    return [
        Bad(
            "complaints",
            complained,
            f"{complained:,} of {delivered:,} readers reported it as unwanted; above 0.1% providers begin to distrust a sender. Look at who was imported last.",
        )
        if many
        else None,
        Bad(
            "bounces",
            bounced,
            f"{bounced:,} of {ended:,} copies bounced, more than 5%. Look at where these addresses came from.",
        )
        if bounced > MOST_BOUNCES * ended
        else None,
    ]


def _twice(batches: int) -> Bad | None:
    if not batches:
        return None
    return Bad(
        "sent twice",
        batches,
        f"SendGrid took {batches:,} {'batch' if batches == 1 else 'batches'} of it twice, so readers have two copies. Find out why before you resume.",
    )


def _strangers(told: int, handed_over: int) -> Bad | None:
    if told <= handed_over:
        return None
    return Bad(
        "too many copies",
        told - handed_over,
        f"events speak of {told:,} copies, and only {handed_over:,} were handed over. Is another service sending it too?",
    )
