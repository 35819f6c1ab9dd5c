"""Freezes an issue: every candidate gets a delivery, excluded ones with a reason; the rest are cut into batches; counts
are verified; only then may anything be sent. All or nothing, in one transaction."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from service import epoch, queue
from service.db import Transaction, transaction
from service.errors import BroadsheetError
from service.log import named
from service.operations import approving
from service.operations.bells import go_on
from service.operations.epochs_known import IN_FORCE
from service.operations.preparing_candidates import Candidates, audience, same_content_of
from service.operations.providers import refuse_if_foreign
from service.settings import current

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)
"""A freeze that takes longer is taken for dead, and done again by somebody else."""

_TAKE = f"""
    UPDATE issues SET state = 'preparing', lease_until = clock_timestamp() + CAST(:lease AS interval)
    WHERE id = :issue AND (
        (state = 'scheduled' AND scheduled_at <= clock_timestamp())
        OR (state = 'preparing' AND lease_until < clock_timestamp())
    ) AND provider = :provider AND problems = '[]' AND {IN_FORCE}
    RETURNING id
"""
_TOO_LATE = """
    UPDATE issues SET state = 'held',
        state_reason = 'it was due more than two hours ago; look whether it is still wanted'
    WHERE id = :issue AND state = 'scheduled' AND scheduled_at < clock_timestamp() - interval '2 hours'
"""

_CUT = """
    CREATE TEMPORARY TABLE cut ON COMMIT DROP AS
    SELECT variant_id, tracked, (position - 1) / :batch_size AS number, {send_at} AS send_at, count(*) AS size,
        nextval(pg_get_serial_sequence('batches', 'id')) AS batch_id
    FROM (
        SELECT variant_id, tracked, send_at, row_number() OVER (PARTITION BY variant_id, tracked{by_hour} ORDER BY {by_key}) AS position
        FROM candidates WHERE excluded IS NULL
    ) numbered
    GROUP BY 1, 2, 3{by_hour}
"""
_COHORTS = """
    INSERT INTO cohorts (issue_id, variant_id, tracked)
    SELECT :issue, variant_id, tracked FROM cut GROUP BY variant_id, tracked
    ON CONFLICT DO NOTHING
"""
_BATCHES = """
    INSERT INTO batches (id, issue_id, cohort_id, size, not_before)
    SELECT cut.batch_id, :issue, c.id, cut.size, cut.send_at FROM cut
    JOIN cohorts c ON c.issue_id = :issue AND c.variant_id = cut.variant_id AND c.tracked = cut.tracked ORDER BY cut.batch_id
"""
_DELIVERIES = """
    INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, email_key, values, excluded, batch_id)
    SELECT :issue, x.subscriber_id, x.subscription_id, x.email_key, x.values, x.excluded, cut.batch_id
    FROM (
        SELECT *, (row_number() OVER (PARTITION BY variant_id, tracked, excluded IS NULL{by_hour} ORDER BY {by_key}) - 1) / :batch_size AS number FROM candidates
    ) x
    LEFT JOIN cut ON x.excluded IS NULL AND cut.variant_id = x.variant_id AND cut.tracked = x.tracked AND cut.number = x.number{same_hour}
"""
# Readers go in by sixteenths of their keys, and in each by their ids. By ids alone, the index on keys is written at random places,
# and once it is larger than the server's cache every row writes a page (measured for a million: 81 seconds instead of 9); by
# keys alone, the claim of a batch reads its readers at random places.
_BY_KEY = "get_byte(email_key, 0) / 16, subscriber_id"
# What an issue for each reader's own hour adds: a batch is of one hour, and waits for it.
_BY_HOUR = {
    "by_hour": ", send_at",
    "send_at": "send_at",
    "same_hour": " AND cut.send_at = x.send_at",
    "by_key": _BY_KEY,
}
_AT_ONCE = {"by_hour": "", "send_at": "CAST(NULL AS timestamptz)", "same_hour": "", "by_key": _BY_KEY}
_VERIFY = """
    WITH frozen AS MATERIALIZED (
        SELECT batch_id, count(*) AS n, count(*) FILTER (WHERE excluded IS NULL) AS meant FROM deliveries WHERE issue_id = :issue GROUP BY batch_id
    )
    SELECT c.*, f.*,
        (SELECT coalesce(sum(size), 0)::bigint FROM batches WHERE issue_id = :issue) AS in_batches,
        (SELECT count(*) FROM batches b LEFT JOIN frozen f ON f.batch_id = b.id WHERE b.issue_id = :issue AND coalesce(f.meant, 0) <> b.size) AS wrong_batches
    FROM (SELECT count(*) AS candidates, count(excluded) AS excluded FROM candidates) c
    CROSS JOIN (
        SELECT coalesce(sum(n), 0)::bigint AS deliveries, coalesce(sum(n - meant) FILTER (WHERE batch_id IS NULL), 0)::bigint AS without_batch FROM frozen
    ) f
"""
# Of every reader, not of sums: two readers who got each other's variant would leave every sum as it is.
_IN_ANOTHER_VARIANT = """
    SELECT count(*) FROM candidates x JOIN deliveries d ON d.issue_id = :issue AND d.email_key = x.email_key
    LEFT JOIN batches b ON b.id = d.batch_id LEFT JOIN cohorts c ON c.id = b.cohort_id
    WHERE x.variant_id IS NULL OR (x.excluded IS NULL AND (c.variant_id, c.tracked) IS DISTINCT FROM (x.variant_id, x.tracked))
"""


@dataclass(frozen=True)
class _Counts:
    candidates: int
    excluded: int
    deliveries: int
    without_batch: int
    in_batches: int
    wrong_batches: int
    in_another_variant: int

    def add_up(self) -> bool:
        return (
            self.candidates == self.deliveries == self.excluded + self.in_batches
            and self.without_batch == self.excluded
            and self.wrong_batches == 0
            and self.in_another_variant == 0
        )


@named("issue")
def prepare(issue_id: int) -> bool:
    """Freeze a due issue and ring for its first batches. False when it is not due, not ours, or somebody else's."""
    try:
        return _prepare(issue_id)
    except Exception as error:
        with transaction() as tx:
            tx.execute(
                "UPDATE issues SET state_reason = :why WHERE id = :issue AND state = 'preparing'",
                why=f"preparing it failed ({type(error).__name__}); it is tried again in ten minutes",
                issue=issue_id,
            )
        raise


def _take(issue_id: int) -> bool:
    """Whether it is due, and ours from now on."""
    with transaction() as tx:
        if tx.execute(_TOO_LATE, issue=issue_id).rowcount:
            return False
        taking = {**epoch.parameters(), "issue": issue_id, "provider": current().provider, "lease": LEASE}
        if tx.execute(_TAKE, taking).rowcount == 0:
            refuse_if_foreign(tx, issue_id)
            return False
        tx.execute("UPDATE installation SET kind = coalesce(kind, :kind)", kind=current().kind)
        # The partition is made before, and apart from, the freeze: its lock is short this way.
        # Attaching takes a weaker lock on the parent than creating in place, so that ingest goes on meanwhile.
        tx.execute("SELECT make_event_partition(:issue)", issue=issue_id)
    return True


def _prepare(issue_id: int) -> bool:
    if not _take(issue_id):
        return False
    with transaction() as tx:
        row = (
            tx.execute("SELECT * FROM issues WHERE id = :issue AND state = 'preparing' FOR UPDATE", issue=issue_id)
            .mappings()
            .one_or_none()
        )
        if row is None:
            return False
        if stopping := _not_approved(tx, dict(row)) or _audience_above_maximum(tx, dict(row)):
            tx.execute(
                "UPDATE issues SET state = 'held', state_reason = :why WHERE id = :issue",
                why=stopping,
                issue=issue_id,
            )
            return False
        counts = _freeze(tx, dict(row))
        tx.execute(
            "UPDATE issues SET state = 'sending', state_reason = NULL, prepared_at = clock_timestamp(), lease_until = NULL, candidates = :n, excluded_at_freeze = :x WHERE id = :issue",
            issue=issue_id,
            n=counts.candidates,
            x=counts.excluded,
        )
    # Without fresh statistics the planner takes the new rows for few and reads them one by one (measured: 4 times slower).
    with transaction() as tx:
        tx.execute("SELECT analyse_deliveries()")
    with transaction() as tx:
        go_on(tx, issue_id)
    log.info("issue prepared", issue=issue_id, candidates=counts.candidates, excluded=counts.excluded)
    return True


def _not_approved(tx: Transaction, issue: dict[str, Any]) -> str | None:
    """Looked at once more here: what is frozen must be what was approved, whoever changed it in whatever way since."""
    needs = tx.execute("SELECT needs_approval FROM newsletters WHERE id = :id", id=issue["newsletter_id"]).scalar_one()
    return (
        None
        if not needs or approving.holds(tx, issue)
        else "it was changed since it was approved; ask for another approval"
    )


def _audience_above_maximum(tx: Transaction, issue: dict[str, Any]) -> str | None:
    only, parameters = audience(tx, issue)
    maximum = tx.execute(
        "SELECT maximum_audience FROM newsletters WHERE id = :id", id=issue["newsletter_id"]
    ).scalar_one()
    if maximum is None:
        return None
    meant = tx.execute(
        f"SELECT count(*) FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id WHERE n.newsletter_id = :newsletter AND n.state = 'active' {only}",
        {"newsletter": issue["newsletter_id"], **parameters},
    ).scalar_one()
    if meant <= max(maximum, issue["audience"].get("confirmed", 0)):
        return None
    return f"it is meant for {meant:,} readers; the newsletter's maximum is {maximum:,}. To let it through: `broadsheet issue resume {issue['id']} --audience {meant}`"


def _freeze(tx: Transaction, issue: dict[str, Any]) -> _Counts:
    same_content = _same_content(tx, issue)
    candidates = Candidates(tx, issue)
    if candidates.are_chosen:
        # Sets of readers are hashed whole or not at all: without the room for it, each reader is compared with the whole set.
        tx.execute("SET LOCAL work_mem = '64MB'")
        candidates.freeze(tx, same_content)
        _take_little_memory(tx)
    else:
        _take_little_memory(tx)
        candidates.freeze(tx, same_content)
    size = _batch_size(tx)
    tx.execute("UPDATE issues SET batch_size = :size WHERE id = :issue", size=size, issue=issue["id"])
    hours = _AT_ONCE if issue["local_at"] is None else _BY_HOUR
    tx.execute(_CUT.format(**hours), batch_size=size)
    tx.execute("ANALYZE candidates, cut")
    tx.execute(_COHORTS, issue=issue["id"])
    tx.execute(_BATCHES, issue=issue["id"])
    tx.execute(_DELIVERIES.format(**hours), issue=issue["id"], batch_size=size)
    counts = _verify(tx, issue["id"], several=len(candidates.variants) > 1)
    if not counts.add_up():
        raise BroadsheetError(f"the freeze of issue {issue['id']} does not add up: {counts}")
    return counts


def _take_little_memory(tx: Transaction) -> None:
    """So that a million readers take no more memory than ten thousand. What is sorted on the disk is written and read in order, and
    costs no time that could be measured; more memory did not make it faster."""
    tx.execute("SET LOCAL work_mem = '1MB'")
    tx.execute("SET LOCAL hash_mem_multiplier = 1")
    tx.execute("SET LOCAL default_statistics_target = 30")


def _verify(tx: Transaction, issue_id: int, *, several: bool) -> _Counts:
    # Of rows this new there are no statistics: taking them for few, the planner would compare each with each (measured for
    # 100,000 readers: 16 seconds instead of one, and with several variants no end in seven minutes).
    tx.execute("SET LOCAL enable_nestloop = off")
    sums = tx.execute(_VERIFY, issue=issue_id).mappings().one()
    elsewhere = tx.execute(_IN_ANOTHER_VARIANT, issue=issue_id).scalar_one() if several else 0
    tx.execute("SET LOCAL enable_nestloop = on")
    return _Counts(**sums, in_another_variant=elsewhere)


def _same_content(tx: Transaction, issue: dict[str, Any]) -> list[int]:
    """Issues whose readers must not get this one as well. The lock makes two freezes of one newsletter wait for each other, so that
    the later one sees the earlier one's deliveries."""
    tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('freeze', :newsletter))", newsletter=issue["newsletter_id"]
    )
    return same_content_of(tx, issue)


def _batch_size(tx: Transaction) -> int:
    """Readers a batch, so that even a batch of the longest values stays within what a request may hold."""
    settings = current()
    longest: int = tx.execute("SELECT coalesce(max(bytes), 1) FROM candidates WHERE excluded IS NULL").scalar_one()
    return max(1, min(settings.batch_size, settings.substitution_bytes // max(1, longest)))


def due_issues(tx: Transaction) -> list[int]:
    """Issues whose time has come, or whose preparation died."""
    rows = tx.execute(
        """SELECT id FROM issues WHERE (state = 'scheduled' AND scheduled_at <= clock_timestamp())
           OR (state = 'preparing' AND lease_until < clock_timestamp()) ORDER BY id"""
    )
    return list(rows.scalars())


def ring_due(tx: Transaction) -> None:
    """Ring for every issue whose time has come."""
    for issue_id in due_issues(tx):
        tx.enqueue(queue.PREPARE_ISSUE, issue_id)
