"""Links by which somebody of the team sets their password: an invitation, or when it is forgotten. A link dies when the password
is set, and by itself. Refuses to say whose it is to whoever has none."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta

from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.errors import Invalid, NotFound
from service.operations import operator_sessions, passwords
from service.operations.auditing import audit
from service.operations.permitting import require
from service.settings import current
from service.tickets import seal, unseal

LASTS = timedelta(hours=72)
RESET_LASTS = timedelta(minutes=30)
_PURPOSE = "operator-link"
_RESET = "operator-reset"
_FIND = """
    SELECT id, name, address, password_hash, totp_secret IS NOT NULL AS has_step FROM operators WHERE id = :id AND disabled_at IS NULL
"""
_DEAD = "This link does not work any more: it was used, or is too old. Ask for a new one where you sign in, or ask an owner."


def make(operator_id: int, *, actor: str) -> str:
    """The address at which this person sets their password. Whoever has it can sign in as them: it is shown once, to be handed
    over. Raises NotFound, Forbidden."""
    require(actor, Permission.ADMINISTER)
    with transaction() as tx:
        row = tx.execute("SELECT password_hash FROM operators WHERE id = :id", id=operator_id).one_or_none()
        if row is None:
            raise NotFound("There is no such person in the team.")
        audit(tx, actor, "make a link to set the password", f"operator {operator_id}")
    return f"{current().public_url}/admin/link/{seal(_PURPOSE, [operator_id, _version(row.password_hash)])}"


def for_reset(operator_id: int, password_hash: str | None) -> str:
    """The address at which somebody sets a new password, to be mailed to nobody but themselves: it lives for 30 minutes."""
    return f"{current().public_url}/admin/link/{seal(_RESET, [operator_id, _version(password_hash)])}"


def holder(token: str) -> tuple[str, str]:
    """Name and address of whose link it is. Raises NotFound."""
    with transaction() as tx:
        row = _row(tx, token)
    return row[1], row[2]


def use(token: str, *, password: str, origin: Mapping[str, str]) -> str:
    """Set the password and sign in; what the browser's cookie is to hold. All other browsers are signed out. Raises NotFound,
    Invalid."""
    with transaction() as tx:
        operator_id, name, address, has_step = _row(tx, token, lock=True)
        if problems := passwords.problems(password, address, name):
            raise Invalid(*problems)
        tx.execute(
            "UPDATE operators SET password_hash = :hash WHERE id = :id",
            id=operator_id,
            hash=passwords.hash_of(password),
        )
        operator_sessions.close_all(tx, operator_id)
        audit(tx, f"operator {operator_id}", "set the password", f"operator {operator_id}", **origin)
        return operator_sessions.begin(tx, operator_id, origin, awaits_step=has_step)


def _row(tx: Transaction, token: str, *, lock: bool = False) -> tuple[int, str, str, bool]:
    found = unseal(_PURPOSE, token, LASTS) or unseal(_RESET, token, RESET_LASTS)
    if not isinstance(found, list) or len(found) != 2:
        raise NotFound(_DEAD)
    row = tx.execute(
        _FIND + (" FOR UPDATE" if lock else ""),
        id=found[0],
    ).one_or_none()
    if row is None or _version(row.password_hash) != found[1]:
        raise NotFound(_DEAD)
    return row.id, row.name, row.address, row.has_step


def _version(password_hash: str | None) -> str:
    return hashlib.sha256((password_hash or "none").encode()).hexdigest()[:16]
