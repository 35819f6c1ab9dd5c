"""Takes a whole import back: who came by it alone goes as if they had never come, but for the evidence. Leaves alone whoever did
something since, or was sent an issue since: for those, leaving is the honest word."""

from dataclasses import asdict, dataclass
from typing import Any

from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.errors import Conflict, NotFound
from service.operations.auditing import audit
from service.operations.permitting import require

METHOD = "import-undone"
"""Of the consent acts that end what the import began. An import afterwards may begin it again: the reader never left."""

# Imports of an older version noted it apart.
_BEGUN = """(
    SELECT import_id, subscriber_id FROM imported_rows WHERE import_id = :import AND began
    UNION SELECT import_id, subscriber_id FROM import_changes WHERE import_id = :import AND what IN ('added', 'activated')
)"""
_UNDONE = """
    CREATE TEMPORARY TABLE undone ON COMMIT DROP AS
    SELECT n.id AS subscription_id, n.subscriber_id, s.email_key
    FROM {begun} c JOIN imports i ON i.id = c.import_id
    JOIN subscriptions n ON n.subscriber_id = c.subscriber_id AND n.newsletter_id = i.newsletter_id
    JOIN subscribers s ON s.id = n.subscriber_id
    WHERE n.state = 'active' AND NOT {touched} AND NOT {sent}
    FOR UPDATE OF n
"""
# Before their subscriptions and by their ids, as everybody does.
_LOCK_READERS = """
    SELECT count(*) FROM (
        SELECT FROM subscribers WHERE id IN (SELECT subscriber_id FROM {begun} c) ORDER BY id FOR NO KEY UPDATE
    ) locked
"""
# The import's own act is the reader's last one for this newsletter.
_TOUCHED = """EXISTS (
    SELECT FROM consent_records r WHERE r.email_key = s.email_key AND r.newsletter_id = n.newsletter_id
      AND r.purpose = 'newsletter' AND r.import_id IS DISTINCT FROM c.import_id AND r.at >= i.created_at
)"""
_SENT = "EXISTS (SELECT FROM deliveries d WHERE d.subscription_id = n.id AND d.excluded IS NULL)"
_LEFT_ALONE = """
    SELECT count(*) FILTER (WHERE {touched}) AS touched, count(*) FILTER (WHERE NOT {touched} AND {sent}) AS sent
    FROM {begun} c JOIN imports i ON i.id = c.import_id
    JOIN subscriptions n ON n.subscriber_id = c.subscriber_id AND n.newsletter_id = i.newsletter_id
    JOIN subscribers s ON s.id = n.subscriber_id
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
# Each value is looked at by itself: one that is no longer what the import made it was changed since, and is not ours to touch.
_DETAILS = """
    CREATE TEMPORARY TABLE mended ON COMMIT DROP AS
    SELECT s.id, d.was, d.became, d.became - 'attributes' AS fields, d.became -> 'attributes' AS attributes,
        ARRAY(SELECT e.key FROM jsonb_each(d.became - 'attributes') e WHERE to_jsonb(s) -> e.key = e.value) AS same_fields,
        ARRAY(SELECT e.key FROM jsonb_each(d.became -> 'attributes') e WHERE s.attributes -> e.key = e.value) AS same_attributes
    FROM import_details d JOIN subscribers s ON s.id = d.subscriber_id WHERE d.import_id = :import
    ORDER BY s.id FOR UPDATE OF s
"""
_RESTORE = """
    UPDATE subscribers s SET
        address = CASE WHEN 'address' = ANY(m.same_fields) THEN m.was ->> 'address' ELSE s.address END,
        first_name = CASE WHEN 'first_name' = ANY(m.same_fields) THEN m.was ->> 'first_name' ELSE s.first_name END,
        last_name = CASE WHEN 'last_name' = ANY(m.same_fields) THEN m.was ->> 'last_name' ELSE s.last_name END,
        language = CASE WHEN 'language' = ANY(m.same_fields) THEN m.was ->> 'language' ELSE s.language END,
        attributes = (s.attributes - m.same_attributes) || coalesce((
            SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(m.was -> 'attributes') e
            WHERE e.key = ANY(m.same_attributes) AND e.value <> 'null'), '{}')
    FROM mended m WHERE m.id = s.id
"""
_MENDED = """
    SELECT count(*) FILTER (WHERE same_fields <> '{}' OR same_attributes <> '{}') AS restored,
        count(*) FILTER (WHERE cardinality(same_fields) < (SELECT count(*) FROM jsonb_object_keys(fields))
            OR cardinality(same_attributes) < (SELECT count(*) FROM jsonb_object_keys(attributes))) AS changed_since
    FROM mended
"""


@dataclass(frozen=True)
class Undone:
    """`subscriptions` were ended, of which `subscribers` were known for nothing else and are gone. Not undone: readers who did
    something since (`touched`), or were sent an issue since (`sent`). Of readers who were there before, `restored` have details
    back that the import changed; of `changed_since`, some were changed again and stay as they are now. `forgotten`: readers whose
    former details are known no more, because the import is too long ago."""

    subscriptions: int
    subscribers: int
    touched: int
    sent: int
    restored: int = 0
    changed_since: int = 0
    forgotten: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def told(self) -> str:
        """All of it in words, without what is none."""
        said = [f"{self.subscriptions:,} {_readers(self.subscriptions)} taken back."]
        if self.sent or self.touched:
            said.append(
                f"{self.sent + self.touched:,} {_readers(self.sent + self.touched)} left: {self.sent:,} were sent an issue since, {self.touched:,} did something themselves."
            )
        if self.restored:
            said.append(f"{self.restored:,} {_readers(self.restored)} again known by the details from before.")
        if self.changed_since:
            said.append(f"Of {self.changed_since:,}, some details were changed again since: those stay.")
        if self.forgotten:
            said.append(
                f"What {self.forgotten:,} were known by before is no longer kept, after so long: their details stay."
            )
        return " ".join(said)


def _readers(number: int) -> str:
    return "reader is" if number == 1 else "readers are"


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
        tx.execute(_LOCK_READERS.format(begun=_BEGUN), {"import": import_id})
        tx.execute(_UNDONE.format(begun=_BEGUN, touched=_TOUCHED, sent=_SENT), {"import": import_id})
        left = tx.execute(_LEFT_ALONE.format(begun=_BEGUN, touched=_TOUCHED, sent=_SENT), {"import": import_id}).one()
        tx.execute(_ACTS, {"import": import_id, "method": METHOD})
        tx.execute(
            "DELETE FROM imported_rows r USING undone u WHERE r.import_id = :import AND r.subscriber_id = u.subscriber_id",
            {"import": import_id},
        )
        ended = tx.execute("DELETE FROM subscriptions n USING undone u WHERE n.id = u.subscription_id").rowcount
        gone = tx.execute(_SUBSCRIBERS).rowcount
        mended = _mend(tx, import_id)
        forgotten = row.counts.get("details_forgotten", 0)
        found = Undone(ended, gone, left.touched, left.sent, mended.restored, mended.changed_since, forgotten)
        tx.execute(
            "UPDATE imports SET counts = counts || jsonb_build_object('undone', CAST(:n AS int)) WHERE id = :id",
            id=import_id,
            n=ended,
        )
        tx.execute("UPDATE uploads SET state = 'undone' WHERE import_id = :id", id=import_id)
        audit(tx, actor, "undo an import", f"import {import_id}", **found.to_json())
    return found


def _mend(tx: Transaction, import_id: int) -> Any:
    """Give readers back the details they had, where nobody changed them since; how many those are."""
    tx.execute(_DETAILS, {"import": import_id})
    tx.execute(_RESTORE)
    found = tx.execute(_MENDED).one()
    tx.execute("DELETE FROM import_details WHERE import_id = :import", {"import": import_id})
    return found
