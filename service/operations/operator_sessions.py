"""Where operators are signed in: a row for each browser, which holds the hash of what its cookie holds. Refuses what has
ended, what was idle for too long, and whoever was disabled."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from service.db import Transaction, transaction
from service.domain.permissions import Actor
from service.operations.auditing import audit

IDLE = timedelta(hours=12)
LASTS = timedelta(days=14)
_NOTED = timedelta(minutes=2)
"""How exactly it is known when a session was last used: a row written for each page would cost more than it tells."""

# Where everybody is asked for a second step, a passkey is one: whoever has no other is let in by it alone. It must not be enough to
# know their password, and to set up a second step of one's own.
_FIND = """
    SELECT s.id, s.proved_at, s.awaits_step, s.seen_at < clock_timestamp() - CAST(:noted AS interval) AS is_old,
        i.needs_second_step AND o.totp_secret IS NULL AND NOT s.by_passkey AS is_short,
        EXISTS (SELECT FROM passkeys k WHERE k.operator_id = o.id) AS has_passkey, o.id AS operator_id, o.name, o.address, o.time_zone, o.role,
        (SELECT coalesce(jsonb_object_agg(m.newsletter_id, m.role), '{}') FROM memberships m WHERE m.operator_id = o.id) AS memberships
    FROM operator_sessions s JOIN operators o ON o.id = s.operator_id CROSS JOIN installation i
    WHERE s.token_sha256 = :hash AND s.ended_at IS NULL AND o.disabled_at IS NULL
      AND s.seen_at > clock_timestamp() - CAST(:idle AS interval) AND s.created_at > clock_timestamp() - CAST(:lasts AS interval)
"""


@dataclass(frozen=True)
class SignedIn:
    """Who is at the other end of a request."""

    session_id: int
    operator_id: int
    name: str
    address: str
    time_zone: str
    proved_at: datetime
    actor: Actor
    awaits_step: bool
    lacks_step: bool
    """Everybody is asked for a second step, and they have none yet."""
    has_passkey: bool


def begin(
    tx: Transaction,
    operator_id: int,
    origin: Mapping[str, str],
    *,
    awaits_step: bool = False,
    by_passkey: bool = False,
) -> str:
    """Sign the operator in at one more browser; what its cookie is to hold. Only its hash is kept. `by_passkey`: both steps at
    once."""
    token = secrets.token_urlsafe(32)
    tx.execute(
        """INSERT INTO operator_sessions (operator_id, token_sha256, awaits_step, by_passkey, network, user_agent)
           VALUES (:id, :hash, :awaits, :by_passkey, :network, :user_agent)""",
        id=operator_id,
        awaits=awaits_step,
        by_passkey=by_passkey,
        hash=_hash(token),
        network=origin["network"],
        user_agent=origin["user_agent"],
    )
    return token


def find(token: str) -> SignedIn | None:
    """Who is signed in with that cookie; None when nobody is, or not any more."""
    with transaction() as tx:
        row = tx.execute(_FIND, hash=_hash(token), noted=_NOTED, idle=IDLE, lasts=LASTS).one_or_none()
        if row is None:
            return None
        if row.is_old:
            tx.execute("UPDATE operator_sessions SET seen_at = clock_timestamp() WHERE id = :id", id=row.id)
    return SignedIn(
        row.id,
        row.operator_id,
        row.name,
        row.address,
        row.time_zone,
        row.proved_at,
        actor_of(row.operator_id, row.role, row.memberships),
        row.awaits_step or (row.is_short and row.has_passkey),
        row.is_short and not row.has_passkey,
        row.has_passkey,
    )


def end(who: SignedIn) -> None:
    """Sign out at this browser."""
    with transaction() as tx:
        close(tx, who.session_id)
        audit(tx, who.actor, "sign out", f"operator {who.operator_id}")


def close(tx: Transaction, session_id: int) -> None:
    """The same, within what else is being done."""
    tx.execute(
        "UPDATE operator_sessions SET ended_at = clock_timestamp() WHERE id = :id AND ended_at IS NULL", id=session_id
    )


def close_all(tx: Transaction, operator_id: int, *, but: int | None = None) -> int:
    """Sign an operator out everywhere, or everywhere else; how many browsers that were."""
    return tx.execute(
        """UPDATE operator_sessions SET ended_at = clock_timestamp()
           WHERE operator_id = :id AND ended_at IS NULL AND id IS DISTINCT FROM CAST(:but AS bigint)""",
        id=operator_id,
        but=but,
    ).rowcount


def open_ones(operator_id: int) -> list[dict[str, Any]]:
    """Where an operator is signed in, the last used first."""
    with transaction() as tx:
        rows = tx.execute(
            """SELECT id, network, user_agent, created_at, seen_at FROM operator_sessions
               WHERE operator_id = :id AND ended_at IS NULL AND NOT awaits_step
                 AND seen_at > clock_timestamp() - CAST(:idle AS interval) AND created_at > clock_timestamp() - CAST(:lasts AS interval)
               ORDER BY seen_at DESC LIMIT 100""",
            id=operator_id,
            idle=IDLE,
            lasts=LASTS,
        ).mappings()
        return [dict(row) for row in rows]


def end_ones_own(who: SignedIn, session_id: int | None) -> int:
    """Sign out at another of one's browsers; None: at all others. How many that were."""
    with transaction() as tx:
        if session_id is None:
            ended = close_all(tx, who.operator_id, but=who.session_id)
        else:
            ended = tx.execute(
                "UPDATE operator_sessions SET ended_at = clock_timestamp() WHERE id = :id AND operator_id = :who AND ended_at IS NULL",
                id=session_id,
                who=who.operator_id,
            ).rowcount
        audit(tx, who.actor, "sign out elsewhere", f"operator {who.operator_id}", browsers=ended)
        return ended


def actor_of(operator_id: int, role: str | None, memberships: Mapping[str, str]) -> Actor:
    """An operator as somebody who acts: `role` everywhere, `memberships`: newsletter → role."""
    grants: dict[int | None, set[str]] = {int(newsletter): {held} for newsletter, held in memberships.items()}
    if role is not None:
        grants[None] = {role}
    return Actor(f"operator {operator_id}", grants)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
