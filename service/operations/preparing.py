"""Freezes an issue: every candidate gets a delivery, excluded ones with a reason; the rest are cut into batches; counts
are verified; only then may anything be sent. All or nothing, in one transaction."""

from dataclasses import dataclass
from typing import Any

import structlog

from service import queue
from service.db import Transaction, transaction
from service.domain.outcomes import Reason
from service.domain.personalisation import LEAVE_URL, READER_FIELDS, Tag
from service.errors import BroadsheetError
from service.operations.bells import go_on
from service.operations.providers import refuse_if_foreign
from service.settings import TOKEN_LENGTH, current

log = structlog.get_logger(__name__)

READER_BYTES = 10_000
"""SendGrid's stricter limit on one personalization's substitutions."""

_TAKE = """
    UPDATE issues SET state = 'preparing', lease_until = clock_timestamp() + interval '10 minutes'
    WHERE id = :issue AND (
        (state = 'scheduled' AND scheduled_at <= clock_timestamp())
        OR (state = 'preparing' AND lease_until < clock_timestamp())
    ) AND provider = :provider
    RETURNING id
"""
_TOO_LATE = """
    UPDATE issues SET state = 'held',
        state_reason = 'it was due more than two hours ago; look whether it is still wanted'
    WHERE id = :issue AND state = 'scheduled' AND scheduled_at < clock_timestamp() - interval '2 hours'
"""

# A snapshot of who is meant, with the raw values of the issue's tags and the worst-case bytes they take in the request.
# Materialised, because batches are cut from it: the cut must see exactly the rows that become deliveries.
_CANDIDATES = """
    CREATE TEMPORARY TABLE candidates ON COMMIT DROP AS
    SELECT s.id AS subscriber_id, n.id AS subscription_id, s.email_key, {values} AS values, {bytes} AS bytes,
        ({tracked}) AS tracked,
        CASE
            WHEN EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.lifted_at IS NULL) THEN '{suppressed}'
            WHEN w.needs_export_consent AND n.export_consent <> 'agreed' THEN '{no_export_consent}'
            WHEN n.expires_at <= clock_timestamp() THEN '{expired}'
            WHEN n.paused_until > clock_timestamp() THEN '{paused}'
            WHEN {had_it} THEN '{already_sent}'
            WHEN {missing} OR {bytes} > {reader_bytes} THEN '{render_error}'
        END AS excluded
    FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id JOIN newsletters w ON w.id = n.newsletter_id
    WHERE n.newsletter_id = :newsletter AND n.state = 'active' {only}
"""
_HAD_IT = """EXISTS (
    SELECT FROM deliveries d WHERE d.issue_id = ANY(:same_content) AND d.email_key = s.email_key AND d.excluded IS NULL AND d.failed IS NULL
)"""
_CUT = """
    CREATE TEMPORARY TABLE cut ON COMMIT DROP AS
    SELECT tracked, (position - 1) / :batch_size AS number, count(*) AS size, nextval(pg_get_serial_sequence('batches', 'id')) AS batch_id
    FROM (SELECT tracked, row_number() OVER (PARTITION BY tracked ORDER BY subscriber_id) AS position FROM candidates WHERE excluded IS NULL) numbered
    GROUP BY 1, 2
"""
_COHORTS = """
    INSERT INTO cohorts (issue_id, variant_id, tracked)
    SELECT :issue, :variant, tracked FROM cut GROUP BY tracked
    ON CONFLICT DO NOTHING
"""
_BATCHES = """
    INSERT INTO batches (id, issue_id, cohort_id, size)
    SELECT cut.batch_id, :issue, c.id, cut.size FROM cut
    JOIN cohorts c ON c.issue_id = :issue AND c.tracked = cut.tracked ORDER BY cut.batch_id
"""
_DELIVERIES = """
    INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, email_key, values, excluded, batch_id)
    SELECT :issue, x.subscriber_id, x.subscription_id, x.email_key, x.values, x.excluded, cut.batch_id
    FROM (
        SELECT *, (row_number() OVER (PARTITION BY tracked, excluded IS NULL ORDER BY subscriber_id) - 1) / :batch_size AS number FROM candidates
    ) x
    LEFT JOIN cut ON x.excluded IS NULL AND cut.tracked = x.tracked AND cut.number = x.number
"""
_VERIFY = """
    SELECT
        (SELECT count(*) FROM candidates) AS candidates,
        (SELECT count(*) FROM candidates WHERE excluded IS NOT NULL) AS excluded,
        (SELECT count(*) FROM deliveries WHERE issue_id = :issue) AS deliveries,
        (SELECT count(*) FROM deliveries WHERE issue_id = :issue AND batch_id IS NULL AND excluded IS NOT NULL) AS without_batch,
        (SELECT coalesce(sum(size), 0) FROM batches WHERE issue_id = :issue) AS in_batches,
        (SELECT count(*) FROM (
            SELECT b.id FROM batches b LEFT JOIN deliveries d ON d.batch_id = b.id AND d.issue_id = :issue AND d.excluded IS NULL
            WHERE b.issue_id = :issue GROUP BY b.id, b.size HAVING count(d.id) <> b.size
        ) wrong) AS wrong_batches
"""


@dataclass(frozen=True)
class _Counts:
    candidates: int
    excluded: int
    deliveries: int
    without_batch: int
    in_batches: int
    wrong_batches: int

    def add_up(self) -> bool:
        return (
            self.candidates == self.deliveries == self.excluded + self.in_batches
            and self.without_batch == self.excluded
            and self.wrong_batches == 0
        )


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


def _prepare(issue_id: int) -> bool:
    with transaction() as tx:
        if tx.execute(_TOO_LATE, issue=issue_id).rowcount:
            return False
        if tx.execute(_TAKE, issue=issue_id, provider=current().provider).rowcount == 0:
            refuse_if_foreign(tx, issue_id)
            return False
        tx.execute("UPDATE installation SET kind = coalesce(kind, :kind)", kind=current().kind)
        # The partition is made before, and apart from, the freeze: its lock is short this way.
        # Attaching takes a weaker lock on the parent than creating in place, so that ingest goes on meanwhile.
        tx.execute("SELECT make_event_partition(:issue)", issue=issue_id)
    with transaction() as tx:
        row = (
            tx.execute("SELECT * FROM issues WHERE id = :issue AND state = 'preparing' FOR UPDATE", issue=issue_id)
            .mappings()
            .one_or_none()
        )
        if row is None:
            return False
        if too_many := _audience_above_maximum(tx, dict(row)):
            tx.execute(
                "UPDATE issues SET state = 'held', state_reason = :why WHERE id = :issue",
                why=too_many,
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


def _audience_above_maximum(tx: Transaction, issue: dict[str, Any]) -> str | None:
    only, parameters = _audience(issue)
    maximum = tx.execute(
        "SELECT maximum_audience FROM newsletters WHERE id = :id", id=issue["newsletter_id"]
    ).scalar_one()
    if maximum is None:
        return None
    meant = tx.execute(
        f"SELECT count(*) FROM subscriptions n WHERE n.newsletter_id = :newsletter AND n.state = 'active' {only}",
        {"newsletter": issue["newsletter_id"], **parameters},
    ).scalar_one()
    if meant <= max(maximum, issue["audience"].get("confirmed", 0)):
        return None
    return f"it is meant for {meant:,} readers; the newsletter's maximum is {maximum:,}. To let it through: `broadsheet issue resume {issue['id']} --audience {meant}`"


def _audience(issue: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The condition that narrows a newsletter's active subscriptions to the readers meant, and its parameters."""
    if (imported := issue["audience"].get("import")) is None:
        return "", {}
    return (
        "AND EXISTS (SELECT FROM imported_rows r WHERE r.import_id = :import AND r.subscriber_id = n.subscriber_id)",
        {"import": imported},
    )


def _freeze(tx: Transaction, issue: dict[str, Any]) -> _Counts:
    variant = tx.execute("SELECT id, tags FROM variants WHERE issue_id = :issue", issue=issue["id"]).mappings().one()
    tags = [Tag.from_json(tag) for tag in variant["tags"]]
    only, parameters = _audience(issue)
    same_content = _same_content(tx, issue)
    values, parameters_of_tags = _values(tags)
    statement = _CANDIDATES.format(
        values=values,
        bytes=_bytes(tags, issue["marker"]),
        tracked={"agreed": "n.tracking = 'agreed'", "not-objected": "n.tracking <> 'objected'", "none": "false"}[
            issue["tracking_policy"]
        ],
        had_it=_HAD_IT if same_content else "false",
        missing=" OR ".join(
            f"coalesce({_field(i, tag)}, '') = ''"
            for i, tag in enumerate(tags)
            if tag.default is None and tag.field != LEAVE_URL
        )
        or "false",
        only=only,
        reader_bytes=READER_BYTES,
        **{reason.value: reason.value for reason in Reason},
    )
    if same_content:
        parameters["same_content"] = same_content
    tx.execute(statement, {"newsletter": issue["newsletter_id"], **parameters, **parameters_of_tags})
    size = _batch_size(tx)
    tx.execute("UPDATE issues SET batch_size = :size WHERE id = :issue", size=size, issue=issue["id"])
    tx.execute(_CUT, batch_size=size)
    tx.execute(_COHORTS, issue=issue["id"], variant=variant["id"])
    tx.execute(_BATCHES, issue=issue["id"])
    tx.execute(_DELIVERIES, issue=issue["id"], batch_size=size)
    counts = _Counts(**tx.execute(_VERIFY, issue=issue["id"]).mappings().one())
    if not counts.add_up():
        raise BroadsheetError(f"the freeze of issue {issue['id']} does not add up: {counts}")
    return counts


def _same_content(tx: Transaction, issue: dict[str, Any]) -> list[int]:
    """Other issues of the newsletter with exactly this content: whoever has a delivery of one gets no other, unless a person
    asked for that. The lock makes two freezes of one newsletter wait for each other, so that the later one sees the
    earlier one's deliveries."""
    tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('freeze', :newsletter))", newsletter=issue["newsletter_id"]
    )
    if issue["audience"].get("again"):
        return []
    rows = tx.execute(
        "SELECT id FROM issues WHERE newsletter_id = :newsletter AND content_hash = :hash AND id <> :issue AND prepared_at IS NOT NULL",
        newsletter=issue["newsletter_id"],
        hash=issue["content_hash"],
        issue=issue["id"],
    )
    return list(rows.scalars())


def _field(index: int, tag: Tag) -> str:
    """The raw value of a tag's field, as SQL over `s` (the subscriber)."""
    if tag.field in READER_FIELDS:
        return f"s.{tag.field}"
    return f"(s.attributes ->> :field_{index})"


def _values(tags: list[Tag]) -> tuple[str, dict[str, str]]:
    """An array of the raw values in the order of the tags; links are made at the claim, and null here."""
    if all(tag.field == LEAVE_URL for tag in tags):
        return "NULL::text[]", {}
    parts = ["NULL" if tag.field == LEAVE_URL else _field(i, tag) for i, tag in enumerate(tags)]
    named = {f"field_{i}": tag.field for i, tag in enumerate(tags) if f":field_{i}" in "".join(parts)}
    return f"ARRAY[{', '.join(parts)}]::text[]", named


def _bytes(tags: list[Tag], marker: str) -> str:
    """The most bytes that a reader's substitutions take: markers, and values after escaping."""
    total = len(tags) * (len(marker) + 12)
    parts = []
    for i, tag in enumerate(tags):
        if tag.field == LEAVE_URL:
            total += len(current().public_url) + len("/u/") + TOKEN_LENGTH
            continue
        # An ampersand grows to five bytes in HTML, a letter by three in a link, and some letters by three in upper case.
        growth = 3 * (1 if not tag.filters else 3) if tag.context == "url" else (6 if tag.context == "html" else 3)
        parts.append(
            f"greatest({growth} * octet_length(coalesce({_field(i, tag)}, '')), {growth * len((tag.default or '').encode())})"
        )
    return " + ".join([str(total), *parts])


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
