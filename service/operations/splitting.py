"""Makes two batches of one. Moves its deliveries, and keeps every sum of the ledger as it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.db import Transaction


def split(
    tx: Transaction, batch: Mapping[str, Any], deliveries: Sequence[int], reason: str, *, first: int | None = None
) -> int:
    """Two halves instead of one batch, or so many in the `first`, whose id is returned. The parent leaves every sum; who was
    excluded or failed in it stays counted in the first."""
    half = len(deliveries) // 2 if first is None else first
    settled = batch["size"] - len(deliveries)
    made = _child(tx, batch, deliveries[:half], settled=settled)
    _child(tx, batch, deliveries[half:], settled=0)
    tx.execute("UPDATE batches SET state = 'split', reason = :reason WHERE id = :id", reason=reason, id=batch["id"])
    return made


def _child(tx: Transaction, parent: Mapping[str, Any], deliveries: Sequence[int], *, settled: int) -> int:
    child: int = tx.execute(
        """INSERT INTO batches (issue_id, cohort_id, parent_id, size, excluded, failed)
           VALUES (:issue, :cohort, :parent, :size, :excluded, :failed) RETURNING id""",
        issue=parent["issue_id"],
        cohort=parent["cohort_id"],
        parent=parent["id"],
        size=len(deliveries) + settled,
        excluded=parent["excluded"] if settled else 0,
        failed=parent["failed"] if settled else 0,
    ).scalar_one()
    tx.execute("UPDATE deliveries SET batch_id = :child WHERE id = ANY(:ids)", child=child, ids=list(deliveries))
    if settled:
        tx.execute(
            "UPDATE deliveries SET batch_id = :child WHERE batch_id = :parent AND (excluded IS NOT NULL OR failed IS NOT NULL)",
            child=child,
            parent=parent["id"],
        )
    return child
