"""Passkeys: added to one's own account, and signing in with one. The device asks who holds it, so a passkey is both steps at once.
Refuses another site's passkeys, a signature that was used before, and a device that did not ask."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from service.db import Transaction, transaction
from service.domain.networks import is_number
from service.errors import Conflict, Invalid, NotFound
from service.operations import operator_sessions, second_step
from service.operations.auditing import audit
from service.operations.operator_sessions import SignedIn
from service.settings import current

MOST = 20
LONGEST_NAME = 60
_LARGEST = 20_000
_WRONG = "This passkey was not accepted. Try again, or sign in with your password."
_FIND = """
    SELECT k.id, k.operator_id, k.public_key, k.sign_count, k.last_challenge FROM passkeys k JOIN operators o ON o.id = k.operator_id
    WHERE k.credential_id = :credential AND o.disabled_at IS NULL FOR UPDATE OF k
"""


def are_possible() -> bool:
    """Whether browsers make passkeys for this installation's address: they do not for a bare number."""
    return not is_number(_host())


def options_to_add(who: SignedIn) -> tuple[str, bytes]:
    """What the browser is asked for, as JSON, and the challenge that must come back signed."""
    with transaction() as tx:
        known = tx.execute("SELECT credential_id FROM passkeys WHERE operator_id = :id", id=who.operator_id).scalars()
        descriptors = [PublicKeyCredentialDescriptor(id=bytes(one)) for one in known]
    options = generate_registration_options(
        rp_id=_host(),
        rp_name="Broadsheet",
        user_id=hmac.new(current().address_key, b"passkey:%d" % who.operator_id, hashlib.sha256).digest(),
        user_name=who.address,
        user_display_name=who.name,
        exclude_credentials=descriptors,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )
    return options_to_json(options), options.challenge


def add(who: SignedIn, name: str, credential: str, challenge: bytes) -> None:
    """Keep a passkey that the browser has made; its device has just asked who holds it, which is as good as signing in with it. Raises
    Invalid, Conflict."""
    wanted = " ".join(name.split()) or "Passkey"
    if len(wanted) > LONGEST_NAME or "\x00" in wanted:
        raise Invalid(f"Give the passkey a name of at most {LONGEST_NAME} characters.")
    try:
        verified = verify_registration_response(
            credential=_read(credential),
            expected_challenge=challenge,
            expected_rp_id=_host(),
            expected_origin=_origin(),
            require_user_verification=True,
        )
    except WebAuthnException:
        raise Invalid("The passkey could not be added. Try again.") from None
    with transaction() as tx:
        number = tx.execute("SELECT count(*) FROM passkeys WHERE operator_id = :id", id=who.operator_id).scalar_one()
        if number >= MOST:
            raise Conflict(f"{MOST} passkeys are the most. Remove one first.")
        made = tx.execute(
            """INSERT INTO passkeys (operator_id, name, credential_id, public_key, sign_count)
               VALUES (:operator, :name, :credential, :key, :count) ON CONFLICT DO NOTHING""",
            operator=who.operator_id,
            name=wanted,
            credential=verified.credential_id,
            key=verified.credential_public_key,
            count=verified.sign_count,
        ).rowcount
        if not made:
            raise Conflict("This passkey is here already.")
        tx.execute("UPDATE operator_sessions SET by_passkey = true WHERE id = :id", id=who.session_id)
        audit(tx, who.actor, "add a passkey", f"operator {who.operator_id}")


def options_to_sign_in() -> tuple[str, bytes]:
    """What the browser is asked for, as JSON, and the challenge that must come back signed. Names no account."""
    options = generate_authentication_options(rp_id=_host(), user_verification=UserVerificationRequirement.REQUIRED)
    return options_to_json(options), options.challenge


def sign_in(credential: str, challenge: bytes, *, origin: Mapping[str, str], instead_of: SignedIn | None = None) -> str:
    """Sign in at one more browser; what its cookie is to hold. `instead_of`: the session that this browser had, which ends.
    Raises Invalid."""
    given = _read(credential)
    with transaction() as tx:
        row = tx.execute(_FIND, credential=_bytes(given.get("rawId"))).one_or_none()
        if row is None or (row.last_challenge is not None and bytes(row.last_challenge) == challenge):
            raise Invalid(_WRONG)
        try:
            verified = verify_authentication_response(
                credential=given,
                expected_challenge=challenge,
                expected_rp_id=_host(),
                expected_origin=_origin(),
                credential_public_key=bytes(row.public_key),
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        except WebAuthnException:
            raise Invalid(_WRONG) from None
        if instead_of is not None:
            operator_sessions.close(tx, instead_of.session_id)
        tx.execute(
            """UPDATE passkeys SET sign_count = :count, last_challenge = :challenge, last_used_at = clock_timestamp() WHERE id = :id""",
            id=row.id,
            count=verified.new_sign_count,
            challenge=challenge,
        )
        audit(tx, f"operator {row.operator_id}", "sign in", f"operator {row.operator_id}", passkey=row.id, **origin)
        return operator_sessions.begin(tx, row.operator_id, origin, by_passkey=True)


def listed(operator_id: int) -> list[dict[str, Any]]:
    """An operator's passkeys, the newest first: `id`, `name`, `created_at`, `last_used_at`."""
    with transaction() as tx:
        rows = tx.execute(
            "SELECT id, name, created_at, last_used_at FROM passkeys WHERE operator_id = :id ORDER BY id DESC",
            id=operator_id,
        ).mappings()
        return [dict(row) for row in rows]


def remove(who: SignedIn, passkey_id: int) -> None:
    """Let a passkey of one's own open nothing any more, and end the sessions that passkeys began elsewhere. Raises NotFound, and
    Conflict for the only second step of somebody who needs one."""
    with transaction() as tx:
        # Whoever removes their last two passkeys at once removes them one after the other.
        tx.execute("SELECT FROM operators WHERE id = :id FOR UPDATE", id=who.operator_id)
        gone = tx.execute(
            "DELETE FROM passkeys WHERE id = :id AND operator_id = :operator", id=passkey_id, operator=who.operator_id
        ).rowcount
        if not gone:
            raise NotFound("There is no such passkey.")
        if second_step.is_required_now(tx) and not second_step.is_on(tx, who.operator_id) and not _has_any(tx, who):
            raise Conflict("Everybody is asked for a second step here, and this is yours. Add another passkey first.")
        operator_sessions.close_all(tx, who.operator_id, but=who.session_id)
        audit(tx, who.actor, "remove a passkey", f"operator {who.operator_id}")


def remove_all(operator_id: int, *, actor: str) -> int:
    """Let no passkey of somebody whose device is lost open anything any more, and sign them out everywhere. How many there were."""
    with transaction() as tx:
        gone = tx.execute("DELETE FROM passkeys WHERE operator_id = :id", id=operator_id).rowcount
        operator_sessions.close_all(tx, operator_id)
        audit(tx, actor, "remove all passkeys", f"operator {operator_id}", passkeys=gone)
        return gone


def _has_any(tx: Transaction, who: SignedIn) -> bool:
    return bool(
        tx.execute("SELECT EXISTS (SELECT FROM passkeys WHERE operator_id = :id)", id=who.operator_id).scalar_one()
    )


def _host() -> str:
    return urlsplit(current().public_url).hostname or ""


def _origin() -> str:
    parts = urlsplit(current().public_url)
    return f"{parts.scheme}://{parts.netloc}"


def _read(credential: str) -> dict[str, Any]:
    try:
        found = json.loads(credential) if len(credential) <= _LARGEST else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Invalid(_WRONG)
    return found


def _bytes(text: object) -> bytes:
    try:
        return base64url_to_bytes(str(text or ""))
    except ValueError:
        return b""
