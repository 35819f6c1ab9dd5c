"""The audit log, to be read and searched. Refuses nothing but whoever may not read it; nobody can change it."""

from typing import Any

from service.db import transaction
from service.domain.permissions import Permission
from service.operations.permitting import require

_FIND = """
    SELECT a.id, a.at, a.actor, coalesce(o.name, 'Key “' || k.name || '”', a.actor) AS who, a.action, a.subject, a.details
    FROM audit_entries a LEFT JOIN operators o ON a.actor = 'operator ' || o.id
        LEFT JOIN api_keys k ON a.actor = 'key ' || k.id
    WHERE (CAST(:words AS text) IS NULL OR strpos(lower(concat_ws(' ', o.name, k.name, a.actor, a.action, a.subject, a.details::text)), lower(:words)) > 0)
      AND (CAST(:before AS bigint) IS NULL OR a.id < :before) ORDER BY a.id DESC LIMIT :limit
"""


def find(*, actor: str, words: str = "", before: int | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Entries that have these words anywhere, the newest first: `before` is the id of the last one seen. Raises Forbidden."""
    require(actor, Permission.AUDIT)
    with transaction() as tx:
        rows = tx.execute(_FIND, words=words.replace("\x00", "").strip() or None, before=before, limit=limit).mappings()
        return [dict(row) for row in rows]
