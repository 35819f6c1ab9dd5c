"""The audit log, to be read and searched. Refuses nothing but whoever may not read it; nobody can change it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.db import transaction
from service.domain.permissions import Permission
from service.operations.permitting import require

_FIND = """
    SELECT a.id, a.at, a.actor, coalesce(o.name, 'Key “' || k.name || '”', a.actor) AS who, a.action, a.subject, a.details
    FROM audit_entries a LEFT JOIN operators o ON a.actor = 'operator ' || o.id
        LEFT JOIN api_keys k ON a.actor = 'key ' || k.id
    WHERE (CAST(:words AS text) IS NULL OR strpos(lower(concat_ws(' ', o.name, k.name, a.actor, a.action, a.subject, a.details::text)), lower(:words)) > 0)
      AND (CAST(:who AS text) IS NULL OR a.actor = :who) AND (CAST(:action AS text) IS NULL OR a.action = :action)
      AND (CAST(:since AS timestamptz) IS NULL OR a.at >= :since) AND (CAST(:until AS timestamptz) IS NULL OR a.at < :until)
      AND (CAST(:before AS bigint) IS NULL OR a.id < :before) ORDER BY a.id DESC LIMIT :limit
"""

# Skips from one value to the next along an index, where DISTINCT would read every entry.
_DISTINCT = """
    WITH RECURSIVE found AS (
        (SELECT {column} AS value FROM audit_entries ORDER BY {column} LIMIT 1)
        UNION ALL SELECT (SELECT {column} FROM audit_entries WHERE {column} > found.value ORDER BY {column} LIMIT 1) FROM found WHERE found.value IS NOT NULL
    )
"""
_ACTIONS = _DISTINCT.format(column="action") + "SELECT value FROM found WHERE value IS NOT NULL ORDER BY 1"
_WHO = (
    _DISTINCT.format(column="actor")
    + """SELECT f.value AS actor, coalesce(o.name, 'Key “' || k.name || '”', f.value) AS who FROM found f
    LEFT JOIN operators o ON f.value = 'operator ' || o.id LEFT JOIN api_keys k ON f.value = 'key ' || k.id
    WHERE f.value IS NOT NULL ORDER BY 2 LIMIT 500"""
)


@dataclass(frozen=True)
class Asked:
    """What is looked for: `words` anywhere in an entry; `who` as an actor is named (`operator 3`); entries from `since` on and
    before `until`."""

    words: str = ""
    who: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


def find(
    *, actor: str, asked: Asked | None = None, words: str = "", before: int | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Entries, the newest first: `before` is the id of the last one seen. Raises Forbidden."""
    require(actor, Permission.AUDIT)
    asked = asked or Asked(words)
    with transaction() as tx:
        rows = tx.execute(
            _FIND,
            words=asked.words.replace("\x00", "").strip() or None,
            who=asked.who.replace("\x00", "") or None,
            action=asked.action.replace("\x00", "") or None,
            since=asked.since,
            until=asked.until,
            before=before,
            limit=limit,
        ).mappings()
        return [dict(row) for row in rows]


def choices(*, actor: str) -> tuple[dict[str, str], list[str]]:
    """Who has an entry (actor → name), and which actions there are. Raises Forbidden."""
    require(actor, Permission.AUDIT)
    with transaction() as tx:
        who = {row.actor: row.who for row in tx.execute(_WHO)}
        return who, list(tx.execute(_ACTIONS).scalars())
