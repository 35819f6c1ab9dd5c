"""A worker without its guards, to see whether the checker notices. Used by the controls of this suite only, in place of
`celery` on the command line."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from celery.__main__ import main

from service.db import Transaction
from service.domain.outcomes import Answer, Verdict
from service.operations import recording, sending


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


if __name__ == "__main__":
    retries_what_is_unknown()
    trusts_the_freeze()
    claims_what_was_claimed()
    main()
