"""Takes a whole import back: who came by it alone goes as if they had never come, but for the evidence. Leaves alone whoever did
something since, or was sent an issue since: for those, leaving is the honest word."""

from dataclasses import asdict, dataclass
from typing import Any

from service.db import transaction
from service.domain.permissions import Permission
from service.errors import Conflict, NotFound
from service.operations.auditing import audit
from service.operations.permitting import require

METHOD = "import-undone"
"""Of the consent acts that end what the import began. An import afterwards may begin it again: the reader never left."""

_UNDONE = """
    CREATE TEMPORARY TABLE undone ON COMMIT DROP AS
    SELECT n.id AS subscription_id, n.subscriber_id, s.email_key
    FROM import_changes c JOIN imports i ON i.id = c.import_id
    JOIN subscriptions n ON n.subscriber_id = c.subscriber_id AND n.newsletter_id = i.newsletter_id
    JOIN subscribers s ON s.id = n.subscriber_id
    WHERE c.import_id = :import AND c.what IN ('added', 'activated') AND n.state = 'active' AND NOT {touched} AND NOT {sent}
    FOR UPDATE OF n
"""
# The import's own act is the reader's last one for this newsletter.
_TOUCHED = """EXISTS (
    SELECT FROM consent_records r WHERE r.email_key = s.email_key AND r.newsletter_id = n.newsletter_id
      AND r.purpose = 'newsletter' AND r.import_id IS DISTINCT FROM c.import_id AND r.at >= i.created_at
)"""
_SENT = "EXISTS (SELECT FROM deliveries d WHERE d.subscription_id = n.id AND d.excluded IS NULL)"
_LEFT_ALONE = """
    SELECT count(*) FILTER (WHERE {touched}) AS touched, count(*) FILTER (WHERE NOT {touched} AND {sent}) AS sent
    FROM import_changes c JOIN imports i ON i.id = c.import_id
    JOIN subscriptions n ON n.subscriber_id = c.subscriber_id AND n.newsletter_id = i.newsletter_id
    JOIN subscribers s ON s.id = n.subscriber_id WHERE c.import_id = :import AND c.what IN ('added', 'activated')
"""
_ACTS = """
    INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, import_id, details)
    SELECT u.email_key, i.newsletter_id, 'newsletter', 'withdrawn', :method, i.id, '{}'
    FROM undone u CROSS JOIN imports i WHERE i.id = :import ORDER BY u.email_key
"""
_SUBSCRIBERS = """
    DELETE FROM subscribers s USING undone u WHERE s.id = u.subscriber_id
      AND NOT EXISTS (SELECT FROM subscriptions n WHERE n.subscriber_id = s.id)
      AND NOT EXISTS (SELECT FROM deliveries d WHERE d.subscriber_id = s.id)
"""


@dataclass(frozen=True)
class Undone:
    """`subscriptions` were ended, of which `subscribers` were known for nothing else and are gone. Not undone: readers who did
    something since (`touched`), or were sent an issue since (`sent`). What the import changed in readers' details stays."""

    subscriptions: int
    subscribers: int
    touched: int
    sent: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def undo(import_id: int, *, actor: str) -> Undone:
    """Take the import back. Raises NotFound, Forbidden, and Conflict when it was taken back already."""
    with transaction() as tx:
        row = tx.execute(
            "SELECT newsletter_id, counts FROM imports WHERE id = :id FOR UPDATE", id=import_id
        ).one_or_none()
        if row is None:
            raise NotFound("There is no such import.")
        require(actor, Permission.IMPORT, row.newsletter_id)
        if "undone" in row.counts:
            raise Conflict("This import was taken back already.")
        tx.execute(_UNDONE.format(touched=_TOUCHED, sent=_SENT), {"import": import_id})
        left = tx.execute(_LEFT_ALONE.format(touched=_TOUCHED, sent=_SENT), {"import": import_id}).one()
        tx.execute(_ACTS, {"import": import_id, "method": METHOD})
        tx.execute(
            "DELETE FROM imported_rows r USING undone u WHERE r.import_id = :import AND r.subscriber_id = u.subscriber_id",
            {"import": import_id},
        )
        ended = tx.execute("DELETE FROM subscriptions n USING undone u WHERE n.id = u.subscription_id").rowcount
        gone = tx.execute(_SUBSCRIBERS).rowcount
        found = Undone(ended, gone, left.touched, left.sent)
        tx.execute(
            "UPDATE imports SET counts = counts || jsonb_build_object('undone', CAST(:n AS int)) WHERE id = :id",
            id=import_id,
            n=ended,
        )
        tx.execute("UPDATE uploads SET state = 'undone' WHERE import_id = :id", id=import_id)
        audit(tx, actor, "undo an import", f"import {import_id}", **found.to_json())
    return found
