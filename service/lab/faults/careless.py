"""The product without one of its guards, to see whether the checker notices: a suite that stays green then would prove nothing.
In processes of the fault suite only."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from service.clients import sendgrid
from service.db import Transaction
from service.domain.outcomes import Answer, Verdict
from service.operations import recording, resending, sending, tracking_events
from service.operations.requests import build


def _replaced(statement: str, guard: str, by: str) -> str:
    assert statement.count(guard) == 1, f"the guard {guard!r} is not where it was: the control would prove nothing"
    return statement.replace(guard, by)


def retries_what_is_unknown() -> None:
    """The naive retry: no answer is taken for no."""
    careful = recording._apply

    def careless(tx: Transaction, batch: dict[str, Any], verdict: Verdict, deliveries: Sequence[int]) -> None:
        if verdict.answer is Answer.UNKNOWN:
            recording._give_back(tx, batch, verdict.reason, timedelta(0))
        else:
            careful(tx, batch, verdict, deliveries)

    recording._apply = careless


def trusts_the_freeze() -> None:
    """No second look at consent and suppression when a batch is claimed."""
    sending._LOOK = _replaced(sending._LOOK, "END AS reason", "END || NULL AS reason")


def claims_what_was_claimed() -> None:
    """A bell is taken for a permission, whatever became of the batch."""
    sending._CLAIM = _replaced(sending._CLAIM, "b.state = 'pending'", "b.state <> 'split'")


def posts_without_arming() -> None:
    """R2: the request leaves before anything says that it may have left, so that a dead process looks as if it never had."""
    sending._armed_body = lambda claim: sendgrid.encode(build(claim.content, claim.readers, claim.attempt_id))
    # The file of epochs would name an attempt that the database does not know as armed: that is a guard of its own.
    sending._noted = lambda claim: True
    finish = sending._finish

    def armed_afterwards(claim: Any, verdict: Verdict, *, armed: bool) -> None:
        sending._arm(claim, b"\0" * 32)
        finish(claim, verdict, armed=armed)

    sending._finish = armed_afterwards


_AT_ONCE = """
    SELECT b.id, b.issue_id, a.armed_at FROM batches b JOIN attempts a ON a.batch_id = b.id AND a.number = b.attempts
    WHERE b.state = 'unknown' AND :quiet > interval '0' AND :fresh > interval '0' AND :later > 0 FOR UPDATE OF b SKIP LOCKED
"""


def does_not_wait() -> None:
    """The quiet period: what is unknown is sent again at once, whatever the events say."""
    resending._QUIET = _AT_ONCE


def takes_every_event_for_new() -> None:
    """Webhook events are not told apart."""
    tracking_events._TAKE = _replaced(tracking_events._TAKE, "ON CONFLICT DO NOTHING RETURNING key", "RETURNING key")


GUARDS: dict[str, Callable[[], None]] = {
    "R2": posts_without_arming,
    "R3": claims_what_was_claimed,
    "R6": retries_what_is_unknown,
    "quiet-period": does_not_wait,
    "consent": trusts_the_freeze,
    "dedupe": takes_every_event_for_new,
}
"""By the name of the guard that is taken away."""
