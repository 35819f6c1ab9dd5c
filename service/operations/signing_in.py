"""Lets operators in by address and password. Refuses to tell whether an address is known: wrong is wrong, and takes as long."""

from collections.abc import Mapping

from service.db import transaction
from service.domain.addresses import AddressError, normalise
from service.errors import Invalid
from service.operations import operator_sessions, passwords
from service.operations.auditing import audit

WRONG = "The address or the password is wrong. Try again, or choose “Forgotten your password?”."


def sign_in(address: str, password: str, *, origin: Mapping[str, str]) -> str:
    """Sign in at one more browser; what its cookie is to hold. Raises Invalid."""
    try:
        known_as = normalise(address).normalised
    except AddressError:
        known_as = ""
    with transaction() as tx:
        row = tx.execute(
            "SELECT id, password_hash FROM operators WHERE address = :address AND disabled_at IS NULL", address=known_as
        ).one_or_none()
    kept = row.password_hash if row is not None and row.password_hash else passwords.NOBODYS
    if not passwords.is_right(kept, password) or kept == passwords.NOBODYS or row is None:
        raise Invalid(WRONG)
    with transaction() as tx:
        if passwords.needs_new_hash(kept):
            tx.execute(
                "UPDATE operators SET password_hash = :hash WHERE id = :id", hash=passwords.hash_of(password), id=row.id
            )
        audit(tx, f"operator {row.id}", "sign in", f"operator {row.id}", **origin)
        return operator_sessions.begin(tx, row.id, origin)
