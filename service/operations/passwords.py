"""Passwords: what makes one too weak, and the one hash they are kept as (argon2id, of a size that takes this machine some 50
ms). Refuses to keep or to log a password."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
LONGEST = 256
"""Characters. The upper bound keeps a hostile form from buying a long hash."""

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""OWASP's smallest recommended argon2id: web threads hash side by side, and each takes this much memory while it does."""
NOBODYS = _HASHER.hash("nobody has this password")
"""Checked where there is no such operator, so that the answer takes as long as for one."""


def hash_of(password: str) -> str:
    """What is kept of a password."""
    return _HASHER.hash(password)


def is_right(kept: str, password: str) -> bool:
    """Whether this is the password of which that was kept."""
    try:
        return _HASHER.verify(kept, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False


def needs_new_hash(kept: str) -> bool:
    """Whether it was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


def problems(password: str, address: str, name: str) -> list[str]:
    """What is wrong with a password that somebody chose, in sentences; nothing when it will do."""
    if len(password) < SHORTEST:
        return [
            f"The password has {len(password)} characters; take at least {SHORTEST}. A few words in a row are easy to keep in mind."
        ]
    if len(password) > LONGEST:
        return [f"The password has more than {LONGEST} characters; take a shorter one."]
    low = password.casefold()
    if len(set(low)) < 5:
        return ["The password repeats a few characters; take one that is harder to guess."]
    if any(
        part in low and len(low) < len(part) + 6
        for part in (address.partition("@")[0].casefold(), name.casefold())
        if len(part) > 3
    ):
        return ["The password is little more than your name or address; take one that is harder to guess."]
    return []
