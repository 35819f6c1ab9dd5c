"""Keys by which programs act for the team. A key is shown once and kept as its hash; it ends when it is revoked, when its time is
over, or when whoever made it is let in no more."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from service.db import transaction
from service.domain.permissions import ROLES, Actor, Permission
from service.errors import Invalid, NotFound
from service.operations.auditing import audit
from service.operations.permitting import require

PREFIX = "bsk_"
LONGEST_NAME = 100
MOST_DAYS = 3660
_NOTED = timedelta(minutes=2)

_FIND = """
    SELECT k.id, k.role, k.newsletter_id, k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - CAST(:noted AS interval) AS is_old
    FROM api_keys k LEFT JOIN operators o ON o.id = k.created_by
    WHERE k.token_sha256 = :hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
      AND (k.created_by IS NULL OR (o.disabled_at IS NULL AND o.role = 'owner'))
"""


def make(name: str, *, role: str, newsletter_id: int | None, days: int | None, actor: str) -> tuple[int, str]:
    """A new key: its id, and the key itself, which is shown now and never again. `days`: how long it serves; None: until it is
    revoked. Raises Invalid, NotFound, Forbidden."""
    require(actor, Permission.ADMINISTER)
    wanted, problems = " ".join(name.split()), []
    if not wanted or len(wanted) > LONGEST_NAME or "\x00" in wanted:
        problems.append(f"Say in at most {LONGEST_NAME} characters what the key is for.")
    if role not in ROLES:
        problems.append("Choose what the key may do.")
    if days is not None and not 1 <= days <= MOST_DAYS:
        problems.append(f"Let it serve from 1 to {MOST_DAYS} days.")
    if problems:
        raise Invalid(*problems)
    token = PREFIX + secrets.token_urlsafe(32)
    with transaction() as tx:
        known = (
            newsletter_id is None or tx.execute("SELECT 1 FROM newsletters WHERE id = :id", id=newsletter_id).first()
        )
        if not known:
            raise NotFound("There is no such newsletter.")
        made: int = tx.execute(
            """INSERT INTO api_keys (name, token_sha256, last_four, role, newsletter_id, created_by, expires_at)
               VALUES (:name, :hash, :last, :role, :newsletter, :by, clock_timestamp() + make_interval(days => CAST(:days AS int)))
               RETURNING id""",
            name=wanted,
            hash=_hash(token),
            last=token[-4:],
            role=role,
            newsletter=newsletter_id,
            by=int(actor.removeprefix("operator ")) if actor.startswith("operator ") else None,
            days=days,
        ).scalar_one()
        audit(tx, actor, "create", f"key {made}", role=role, newsletter=newsletter_id, days=days)
    return made, token


def listed(*, actor: str) -> list[dict[str, Any]]:
    """All keys, the newest first, without what opens anything. Raises Forbidden."""
    require(actor, Permission.ADMINISTER)
    with transaction() as tx:
        rows = tx.execute(
            """SELECT k.id, k.name, k.last_four, k.role, k.newsletter_id, w.name AS newsletter_name, o.name AS made_by, k.created_at,
                   k.expires_at, k.last_used_at, k.revoked_at, coalesce(k.expires_at <= clock_timestamp(), false) AS is_over,
                   k.created_by IS NOT NULL AND (o.disabled_at IS NOT NULL OR o.role IS DISTINCT FROM 'owner') AS is_orphan
               FROM api_keys k LEFT JOIN newsletters w ON w.id = k.newsletter_id LEFT JOIN operators o ON o.id = k.created_by
               ORDER BY k.id DESC"""
        ).mappings()
        return [dict(row) for row in rows]


def revoke(key_id: int, *, actor: str) -> None:
    """Let a key open nothing any more, at once. A second time changes nothing. Raises NotFound, Forbidden."""
    require(actor, Permission.ADMINISTER)
    with transaction() as tx:
        if tx.execute("SELECT 1 FROM api_keys WHERE id = :id", id=key_id).first() is None:
            raise NotFound("There is no such key.")
        ended = tx.execute(
            "UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = :id AND revoked_at IS NULL", id=key_id
        ).rowcount
        if ended:
            audit(tx, actor, "revoke", f"key {key_id}")


def find(token: str) -> Actor | None:
    """Who acts with that key; None when it opens nothing."""
    if not token.startswith(PREFIX):
        return None
    with transaction() as tx:
        row = tx.execute(_FIND, hash=_hash(token), noted=_NOTED).one_or_none()
        if row is None:
            return None
        if row.is_old:
            tx.execute("UPDATE api_keys SET last_used_at = clock_timestamp() WHERE id = :id", id=row.id)
    return Actor(f"key {row.id}", {row.newsletter_id: {row.role}})


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
