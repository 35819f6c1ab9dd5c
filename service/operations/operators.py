"""The people of the team: who they are and what role they hold. Refuses an address or a password that would not do, and to leave
the installation without an owner."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from service.db import Transaction, transaction
from service.domain.addresses import AddressError, normalise
from service.domain.permissions import ROLES, Permission
from service.errors import Conflict, Invalid, NotFound
from service.operations import operator_sessions, passwords, signing_in
from service.operations.auditing import audit
from service.operations.operator_sessions import SignedIn
from service.operations.permitting import require
from service.settings import current


def create(address: str, *, name: str, role: str | None, actor: str, password: str | None = None) -> int:
    """Add somebody to the team; their id. `role` holds everywhere; None: only where they are given one. Without a password they
    set it themselves, by a link.

    Raises Invalid with every problem, Conflict when the address is taken, Forbidden.
    """
    require(actor, Permission.ADMINISTER)
    with transaction() as tx:
        return _insert(tx, address, name, role, password, actor, "UTC")


def are_there() -> bool:
    """Whether anybody is in the team yet."""
    with transaction() as tx:
        return bool(tx.execute("SELECT EXISTS (SELECT FROM operators)").scalar_one())


def set_up_code() -> str:
    """What the first owner must know, so that no stranger takes a fresh installation: it is printed where the service starts."""
    digest = hmac.new(current().secret_keys[0].encode(), b"set-up", hashlib.sha256).digest()
    return base64.b32encode(digest[:10]).decode().lower()


def set_up(code: str, *, address: str, name: str, password: str, time_zone: str = "UTC") -> int:
    """The first owner, by themselves; their id. Raises Invalid, and Conflict when there is somebody already."""
    if not hmac.compare_digest(code.strip().lower().encode(), set_up_code().encode()):
        raise Invalid(
            "The set-up code is wrong. It is printed where the service was started, and by `broadsheet operator set-up-code`."
        )
    with transaction() as tx:
        tx.execute("LOCK TABLE operators IN SHARE ROW EXCLUSIVE MODE")
        if tx.execute("SELECT EXISTS (SELECT FROM operators)").scalar_one():
            raise Conflict("The installation has an owner already. Ask them for an invitation.")
        return _insert(tx, address, name, "owner", password, "set-up", check_zone(time_zone))


def listed(actor: str) -> list[dict[str, Any]]:
    """Everybody of the team, with their roles. Raises Forbidden."""
    require(actor, Permission.ADMINISTER)
    with transaction() as tx:
        rows = tx.execute(
            """SELECT o.id, o.name, o.address, o.role, o.disabled_at, o.password_hash IS NOT NULL AS has_password,
                   o.totp_secret IS NOT NULL AS has_second_step,
                   EXISTS (SELECT FROM passkeys k WHERE k.operator_id = o.id) AS has_passkey, max(s.seen_at) AS seen_at,
                   coalesce((SELECT jsonb_object_agg(m.newsletter_id, m.role) FROM memberships m WHERE m.operator_id = o.id), '{}') AS memberships
               FROM operators o LEFT JOIN operator_sessions s ON s.operator_id = o.id GROUP BY o.id ORDER BY o.disabled_at IS NOT NULL, lower(o.name), o.id"""
        ).mappings()
        return [{**row, "memberships": {int(k): v for k, v in row["memberships"].items()}} for row in rows]


def find(address: str) -> int:
    """The id of whoever has this address. Raises NotFound."""
    try:
        known_as = normalise(address).normalised
    except AddressError:
        known_as = ""
    with transaction() as tx:
        found = tx.execute("SELECT id FROM operators WHERE address = :address", address=known_as).scalar_one_or_none()
    if found is None:
        raise NotFound("There is nobody with this address in the team.")
    return int(found)


def give_roles(operator_id: int, *, role: str | None, memberships: Mapping[int, str], actor: str) -> None:
    """Who may do what from now on, in all newsletters (`role`) and in single ones (newsletter → role). Whoever loses something
    is signed out. Raises Invalid, NotFound, Conflict for the last owner, Forbidden."""
    require(actor, Permission.ADMINISTER)
    if {role or "owner", *memberships.values()} - set(ROLES):
        raise Invalid(f"A role must be one of {', '.join(ROLES)}.")
    with transaction() as tx:
        before = _locked(tx, operator_id)
        if before.role == "owner" and role != "owner":
            _keep_an_owner(tx, operator_id)
        tx.execute("UPDATE operators SET role = :role WHERE id = :id", id=operator_id, role=role)
        tx.execute("DELETE FROM memberships WHERE operator_id = :id", id=operator_id)
        for newsletter, held in memberships.items():
            tx.execute(
                "INSERT INTO memberships VALUES (:id, :newsletter, :role)",
                id=operator_id,
                newsletter=newsletter,
                role=held,
            )
        operator_sessions.close_all(tx, operator_id)
        audit(
            tx,
            actor,
            "give roles",
            f"operator {operator_id}",
            before=before.role,
            role=role,
            memberships={str(k): v for k, v in memberships.items()},
        )


def disable(operator_id: int, *, actor: str) -> None:
    """Let somebody in no more, and sign them out everywhere. Raises NotFound, Conflict for the last owner, Forbidden."""
    require(actor, Permission.ADMINISTER)
    with transaction() as tx:
        if _locked(tx, operator_id).role == "owner":
            _keep_an_owner(tx, operator_id)
        tx.execute(
            "UPDATE operators SET disabled_at = coalesce(disabled_at, clock_timestamp()) WHERE id = :id", id=operator_id
        )
        operator_sessions.close_all(tx, operator_id)
        audit(tx, actor, "disable", f"operator {operator_id}")


def enable(operator_id: int, *, actor: str) -> None:
    """Let somebody in again. Raises NotFound, Forbidden."""
    require(actor, Permission.ADMINISTER)
    with transaction() as tx:
        _locked(tx, operator_id)
        tx.execute("UPDATE operators SET disabled_at = NULL WHERE id = :id", id=operator_id)
        audit(tx, actor, "enable", f"operator {operator_id}")


def change_own(who: SignedIn, *, name: str, time_zone: str) -> None:
    """One's own name and zone. Raises Invalid."""
    if not name.strip():
        raise Invalid("The name is empty. Write your name: others see it beside what you did.")
    with transaction() as tx:
        tx.execute(
            "UPDATE operators SET name = :name, time_zone = :zone WHERE id = :id",
            id=who.operator_id,
            name=name.strip(),
            zone=check_zone(time_zone),
        )
        audit(tx, who.actor, "change", f"operator {who.operator_id}")


def change_password(who: SignedIn, *, old: str, new: str) -> None:
    """One's own password; every other browser is signed out. Raises Invalid, and TooManyTries."""
    _check_own(who, old, "The present password is wrong.")
    if problems := passwords.problems(new, who.address, who.name):
        raise Invalid(*problems)
    with transaction() as tx:
        tx.execute(
            "UPDATE operators SET password_hash = :hash WHERE id = :id", id=who.operator_id, hash=passwords.hash_of(new)
        )
        operator_sessions.close_all(tx, who.operator_id, but=who.session_id)
        audit(tx, who.actor, "change the password", f"operator {who.operator_id}")


def prove(who: SignedIn, password: str) -> None:
    """Prove once more who is at this browser. Raises Invalid, and TooManyTries."""
    _check_own(who, password, "The password is wrong.")
    with transaction() as tx:
        tx.execute("UPDATE operator_sessions SET proved_at = clock_timestamp() WHERE id = :id", id=who.session_id)


def _check_own(who: SignedIn, password: str, told: str) -> None:
    """A browser that was left open must not be the place to find the password out."""
    account, place = signing_in.key_of("proof", who.operator_id), f"session {who.session_id}"
    with transaction() as tx:
        signing_in.make_wait(tx, account, place)
        kept = tx.execute("SELECT password_hash FROM operators WHERE id = :id", id=who.operator_id).scalar_one()
    if not kept or not passwords.is_right(kept, password):
        signing_in.note_failure(account, place)
        raise Invalid(told)


def check_zone(name: str) -> str:
    """The time zone, if there is one of that name. Raises Invalid."""
    if name not in available_timezones():
        raise Invalid(f"There is no time zone “{name}”. Choose one such as Europe/Berlin.")
    return name


def _insert(
    tx: Transaction, address: str, name: str, role: str | None, password: str | None, actor: str, zone: str
) -> int:
    known_as, problems = _checked(address, name, role, password)
    if problems:
        raise Invalid(*problems)
    made = tx.execute(
        """INSERT INTO operators (address, name, role, password_hash, time_zone) VALUES (:address, :name, :role, :hash, :zone)
           ON CONFLICT (address) DO NOTHING RETURNING id""",
        address=known_as,
        name=name.strip(),
        role=role,
        zone=zone,
        hash=None if password is None else passwords.hash_of(password),
    ).scalar_one_or_none()
    if made is None:
        raise Conflict("Somebody with this address is in the team already.")
    audit(tx, actor, "create", f"operator {made}", role=role)
    return int(made)


def _checked(address: str, name: str, role: str | None, password: str | None) -> tuple[str, list[str]]:
    problems: list[str] = []
    known_as = ""
    try:
        known_as = normalise(address).normalised
    except AddressError as error:
        problems.append(str(error))
    if not name.strip():
        problems.append("The name is empty. Write the person's name: others see it beside what they did.")
    if role is not None and role not in ROLES:
        problems.append(f"The role must be one of {', '.join(ROLES)}.")
    if password is not None:
        problems += passwords.problems(password, address, name)
    return known_as, problems


def _locked(tx: Transaction, operator_id: int) -> Any:
    row = tx.execute("SELECT * FROM operators WHERE id = :id FOR UPDATE", id=operator_id).one_or_none()
    if row is None:
        raise NotFound("There is no such person in the team.")
    return row


def _keep_an_owner(tx: Transaction, operator_id: int) -> None:
    """Two owners who remove each other at once wait for each other here."""
    tx.execute("LOCK TABLE operators IN SHARE ROW EXCLUSIVE MODE")
    others = tx.execute(
        "SELECT count(*) FROM operators WHERE role = 'owner' AND disabled_at IS NULL AND id <> :id", id=operator_id
    ).scalar_one()
    if not others:
        raise Conflict("This is the last owner. Make somebody else an owner first.")
