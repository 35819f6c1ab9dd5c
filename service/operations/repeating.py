"""One file of readers and one text, sent in one go: decides whether that is a new issue, or one that is there already. That
nobody gets the same content twice is the freeze's promise; here it only decides what to report."""

from dataclasses import dataclass

from service.db import Transaction, transaction
from service.operations import authoring
from service.operations.authoring import Source
from service.rendering.newsletter import Rendered


@dataclass(frozen=True)
class Plan:
    """`issue_id` is to be sent, or only reported when `repeated`; `readers` have no copy of it yet."""

    issue_id: int
    rendered: Rendered
    readers: int
    repeated: bool


# A delivery that a person cancelled left nothing: its reader may still get the content.
_READERS = """
    SELECT count(*) AS all_readers, count(*) FILTER (WHERE NOT EXISTS (
        SELECT FROM deliveries d JOIN issues i ON i.id = d.issue_id
        WHERE i.newsletter_id = :newsletter AND i.content_hash = :hash AND d.email_key = s.email_key AND d.excluded IS NULL AND d.failed IS NULL
    )) AS without
    FROM imported_rows r JOIN subscribers s ON s.id = r.subscriber_id WHERE r.import_id = :import
"""
_EXISTING = """
    SELECT max(id) AS newest, max(id) FILTER (WHERE prepared_at IS NULL AND NOT EXISTS (
        SELECT FROM imported_rows r WHERE r.import_id = :import AND NOT EXISTS (
            SELECT FROM imported_rows w WHERE w.import_id = CAST(issues.audience ->> 'import' AS bigint) AND w.subscriber_id = r.subscriber_id)
    )) AS waiting FROM issues
    WHERE newsletter_id = :newsletter AND content_hash = :hash AND id <> :issue AND state NOT IN ('draft', 'approved', 'cancelled')
"""


def plan(source: Source, *, newsletter_id: int, import_id: int, subject: str | None, again: bool, actor: str) -> Plan:
    """Create the issue for exactly the sendable rows of the import, unless all of them have this content already.

    `again`: they shall get it once more. Raises Invalid with every problem of the text.
    """
    audience = {"import": import_id} | ({"again": True} if again else {})
    issue_id, rendered = authoring.create_issue(
        source, newsletter_id=newsletter_id, actor=actor, subject=subject, audience=audience
    )
    with transaction() as tx:
        readers, without, existing = _look(tx, issue_id, newsletter_id, import_id)
        if again or existing is None:
            return Plan(issue_id, rendered, readers if again else without, repeated=False)
        tx.execute("DELETE FROM issues WHERE id = :id AND state = 'draft'", id=issue_id)
        return Plan(existing, rendered, 0, repeated=True)


def _look(tx: Transaction, issue_id: int, newsletter_id: int, import_id: int) -> tuple[int, int, int | None]:
    """All readers, those without this content, and the issue to report instead: one that waits to be prepared (who has a
    delivery of it is not known yet), or the newest when nobody is without."""
    content = tx.execute("SELECT content_hash FROM issues WHERE id = :id", id=issue_id).scalar_one()
    where = {"newsletter": newsletter_id, "hash": content}
    readers = tx.execute(_READERS, {**where, "import": import_id}).one()
    existing = tx.execute(_EXISTING, {**where, "issue": issue_id, "import": import_id}).one()
    instead = existing.waiting or (existing.newest if readers.without == 0 else None)
    return readers.all_readers, readers.without, instead
