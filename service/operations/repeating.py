"""One file of readers and one text, sent in one go: decides whether that is a new issue, the same one again, or the same
content for readers who do not have it yet. Nobody who has a delivery of this content gets another."""

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


def plan(source: Source, *, newsletter_id: int, import_id: int, subject: str | None, again: bool, actor: str) -> Plan:
    """Create the issue for exactly the sendable rows of the import, unless all of them have this content already.

    `again`: they shall get it once more. Raises Invalid with every problem of the text.
    """
    issue_id, rendered = authoring.create_issue(
        source, newsletter_id=newsletter_id, actor=actor, subject=subject, audience={"import": import_id}
    )
    with transaction() as tx:
        content = tx.execute("SELECT content_hash FROM issues WHERE id = :id", id=issue_id).scalar_one()
        first = authoring.find_same_content(tx, newsletter_id, content)
        readers, without = tx.execute(
            """SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
                   SELECT FROM deliveries d JOIN issues i ON i.id = d.issue_id
                   WHERE i.newsletter_id = :newsletter AND i.content_hash = :hash AND d.email_key = s.email_key
               )) FROM imported_rows r JOIN subscribers s ON s.id = r.subscriber_id WHERE r.import_id = :import""",
            {"newsletter": newsletter_id, "hash": content, "import": import_id},
        ).one()
        if first is None or again:
            return Plan(issue_id, rendered, readers, repeated=False)
        if without == 0 or _not_frozen_yet(tx, first):
            tx.execute("DELETE FROM issues WHERE id = :id AND state = 'draft'", id=issue_id)
            return Plan(first, rendered, 0, repeated=True)
        tx.execute(
            "UPDATE issues SET audience = audience || jsonb_build_object('except_content_of', CAST(:first AS bigint)) WHERE id = :id",
            first=first,
            id=issue_id,
        )
        return Plan(issue_id, rendered, without, repeated=False)


def _not_frozen_yet(tx: Transaction, issue_id: int) -> bool:
    """An issue that waits to be prepared: who has a delivery of it is not known yet."""
    return tx.execute("SELECT prepared_at IS NULL FROM issues WHERE id = :id", id=issue_id).scalar_one() is True
