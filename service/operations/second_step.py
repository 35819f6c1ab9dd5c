"""The second step of signing in: a code of an authenticator (TOTP, RFC 6238), or a recovery code in its place. Refuses a code
that was used before, and keeps no secret in the open."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import pyotp
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.errors import Conflict, Invalid
from service.operations import operator_sessions
from service.operations.auditing import audit
from service.operations.permitting import require
from service.settings import current

CODES = 10
_SECONDS = 30
_DRIFT = 1
"""Steps that a telephone's clock may be off, either way."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
WRONG = "This code is not right, or was used before. Wait for the next one, or use a recovery code."


@dataclass(frozen=True)
class Proposal:
    """A secret that is not in force yet: `uri` is what the picture to scan holds."""

    secret: str
    uri: str


def propose(address: str) -> Proposal:
    """A fresh secret for an authenticator."""
    secret = pyotp.random_base32()
    return Proposal(secret, uri_of(secret, address))


def uri_of(secret: str, address: str) -> str:
    """What the picture to scan holds."""
    return pyotp.TOTP(secret).provisioning_uri(name=address, issuer_name="Broadsheet")


def turn_on(operator_id: int, *, secret: str, code: str, actor: str, here: int | None = None) -> list[str]:
    """Ask for a code at every sign-in from now on; ten recovery codes, which are not shown again. Every browser but the session
    `here` is signed out: whoever came in without a code does not stay. Raises Invalid for a wrong code."""
    step = _step_of(secret, code)
    if step is None:
        raise Invalid(WRONG)
    with transaction() as tx:
        tx.execute(
            "UPDATE operators SET totp_secret = :secret, totp_step = :step WHERE id = :id",
            id=operator_id,
            secret=_box().encrypt(secret.encode()),
            step=step,
        )
        codes = _new_codes(tx, operator_id)
        operator_sessions.close_all(tx, operator_id, but=here)
        audit(tx, actor, "turn on the second step", f"operator {operator_id}")
    return codes


def is_required() -> bool:
    """Whether nobody works without a second step."""
    with transaction() as tx:
        return is_required_now(tx)


def is_required_now(tx: Transaction) -> bool:
    """The same, within what else is being done."""
    return bool(tx.execute("SELECT needs_second_step FROM installation").scalar_one())


def ask_of_all(required: bool, *, actor: str) -> None:
    """Let nobody work without a second step from now on, or let them. Whoever has none sets it up before anything else. Raises
    Forbidden."""
    require(actor, Permission.ADMINISTER)
    with transaction() as tx:
        tx.execute("UPDATE installation SET needs_second_step = :required", required=required)
        audit(tx, actor, "ask for a second step of all" if required else "ask for no second step", "everybody")


def turn_off(operator_id: int, *, actor: str) -> None:
    """Ask for no code any more. Raises Conflict for one's own where everybody is asked for one: an owner, or the shell, may still
    turn off that of somebody whose device is lost."""
    if actor == f"operator {operator_id}" and is_required():
        raise Conflict("Everybody is asked for a second step here. Set another one up instead.")
    with transaction() as tx:
        tx.execute("UPDATE operators SET totp_secret = NULL, totp_step = NULL WHERE id = :id", id=operator_id)
        tx.execute("DELETE FROM recovery_codes WHERE operator_id = :id", id=operator_id)
        audit(tx, actor, "turn off the second step", f"operator {operator_id}")


def new_codes(operator_id: int, *, actor: str) -> list[str]:
    """Ten new recovery codes; the former ones are void. Raises Conflict without a second step."""
    with transaction() as tx:
        if not is_on(tx, operator_id):
            raise Conflict("Turn the second step on first.")
        audit(tx, actor, "make recovery codes", f"operator {operator_id}")
        return _new_codes(tx, operator_id)


def is_on(tx: Transaction, operator_id: int) -> bool:
    """Whether this operator is asked for a second step."""
    return bool(tx.execute("SELECT totp_secret IS NOT NULL FROM operators WHERE id = :id", id=operator_id).scalar_one())


def codes_left(operator_id: int) -> int | None:
    """How many recovery codes are unused; None without a second step."""
    with transaction() as tx:
        if not is_on(tx, operator_id):
            return None
        left: int = tx.execute(
            "SELECT count(*) FROM recovery_codes WHERE operator_id = :id AND used_at IS NULL", id=operator_id
        ).scalar_one()
    return left


def check(tx: Transaction, operator_id: int, code: str) -> bool:
    """Whether the code is this operator's, and was not used before; from now on it was."""
    row = tx.execute("SELECT totp_secret, totp_step FROM operators WHERE id = :id FOR UPDATE", id=operator_id).one()
    typed = "".join(code.split()).replace("-", "").lower()
    if row.totp_secret is None:
        return False
    if not typed.isdigit():
        return _use_recovery_code(tx, operator_id, typed)
    step = _step_of(_opened(bytes(row.totp_secret)), typed)
    if step is None or step <= (row.totp_step or 0):
        return False
    tx.execute("UPDATE operators SET totp_step = :step WHERE id = :id", id=operator_id, step=step)
    return True


def _use_recovery_code(tx: Transaction, operator_id: int, typed: str) -> bool:
    return bool(
        tx.execute(
            """UPDATE recovery_codes SET used_at = clock_timestamp()
               WHERE operator_id = :id AND code_sha256 = :hash AND used_at IS NULL""",
            id=operator_id,
            hash=_hash(typed),
        ).rowcount
    )


def _new_codes(tx: Transaction, operator_id: int) -> list[str]:
    tx.execute("DELETE FROM recovery_codes WHERE operator_id = :id", id=operator_id)
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(12)) for _ in range(CODES)]
    for code in codes:
        # Sixty random bits need no slow hash.
        tx.execute("INSERT INTO recovery_codes VALUES (:id, :hash)", id=operator_id, hash=_hash(code))
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def _step_of(secret: str, code: str) -> int | None:
    """The 30-second step that the code belongs to; None for none of those around now."""
    typed = "".join(code.split())
    now = int(datetime.now(UTC).timestamp()) // _SECONDS
    totp = pyotp.TOTP(secret)
    found = (
        [
            step
            for step in range(now - _DRIFT, now + _DRIFT + 1)
            if secrets.compare_digest(totp.generate_otp(step), typed)
        ]
        if typed.isascii()
        else []
    )
    return found[0] if found else None


def _box() -> MultiFernet:
    """The newest key closes; all of them open."""
    return MultiFernet([Fernet(_derived(key)) for key in current().secret_keys])


def _derived(key: str) -> bytes:
    derive = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"second step")
    return base64.urlsafe_b64encode(derive.derive(key.encode()))


def _opened(kept: bytes) -> str:
    try:
        return _box().decrypt(kept).decode()
    except InvalidToken:
        raise Conflict(
            "The secret of the second step was kept under a key that SECRET_KEYS does not hold any more. Use a recovery code."
        ) from None


def _hash(code: str) -> bytes:
    return hashlib.sha256(f"recovery:{code}".encode()).digest()
