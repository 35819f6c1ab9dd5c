"""An issue is sent through the account it was frozen for, or not at all; and a process that is not that account is loud."""

import structlog

from service.db import Transaction
from service.settings import current

log = structlog.get_logger(__name__)


def refuse_if_foreign(tx: Transaction, issue_id: int | None) -> None:
    """Say, in the log and on the issue, when this process sends through another account than a due issue was frozen for.

    Its silence would look like an issue that merely takes its time.
    """
    mine = current().provider
    frozen_for = tx.execute(
        """UPDATE issues SET state_reason = 'a worker refused to send it: it was frozen for ' || provider || ', the worker sends through ' || :mine
           WHERE id = :issue AND state IN ('scheduled', 'preparing', 'sending') AND provider <> :mine RETURNING provider""",
        issue=issue_id,
        mine=mine,
    ).scalar_one_or_none()
    if frozen_for is not None:
        log.error("refused: another provider", issue=issue_id, frozen_for=frozen_for, mine=mine)
