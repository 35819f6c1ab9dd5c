"""The people of the team: who they are and what role they hold. Refuses an address or a password that would not do."""

from service.db import transaction
from service.domain.addresses import AddressError, normalise
from service.domain.permissions import ROLES, Permission
from service.errors import Conflict, Invalid
from service.operations import passwords
from service.operations.auditing import audit
from service.operations.permitting import require


def create(address: str, *, name: str, role: str | None, actor: str, password: str | None = None) -> int:
    """Add somebody to the team; their id. `role` holds everywhere; None: only where they are given one.

    Raises Invalid with every problem, Conflict when the address is taken, Forbidden.
    """
    require(actor, Permission.ADMINISTER)
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
    if problems:
        raise Invalid(*problems)
    with transaction() as tx:
        made = tx.execute(
            """INSERT INTO operators (address, name, role, password_hash) VALUES (:address, :name, :role, :hash)
               ON CONFLICT (address) DO NOTHING RETURNING id""",
            address=known_as,
            name=name.strip(),
            role=role,
            hash=None if password is None else passwords.hash_of(password),
        ).scalar_one_or_none()
        if made is None:
            raise Conflict("Somebody with this address is in the team already.")
        audit(tx, actor, "create", f"operator {made}", role=role)
    return int(made)


def are_there() -> bool:
    """Whether anybody is in the team yet."""
    with transaction() as tx:
        return bool(tx.execute("SELECT EXISTS (SELECT FROM operators)").scalar_one())
