"""Lets operators in: address and password, then the second step where it is on. Refuses to tell whether an address is known:
wrong is wrong, and takes as long; who fails often waits, and nobody else does."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta

from service.db import Transaction, transaction
from service.domain.addresses import AddressError, normalise
from service.errors import Invalid, RetryLater
from service.operations import operator_sessions, passwords, second_step
from service.operations.auditing import audit
from service.operations.operator_sessions import SignedIn
from service.settings import current

WRONG = "The address or the password is wrong. Try again, or ask an owner for a new link."
SPAN = timedelta(minutes=15)
FREE_TRIES = 5
"""Failures within the span that cost an account nothing; each further one doubles the wait, up to the span. An account's failures
count by network: a stranger elsewhere cannot keep its owner out."""
TRIES_PER_NETWORK = 50
TRIES_PER_ACCOUNT = 100
"""From all networks together: many networks guessing at one account are slowed down too."""

_FAILED = """
    SELECT count(*) FILTER (WHERE account_key = :account AND network = :network) AS here,
        count(*) FILTER (WHERE account_key = :account) AS account, count(*) FILTER (WHERE network = :network) AS network,
        extract(epoch FROM clock_timestamp() - max(at) FILTER (WHERE network = :network)) AS since
    FROM sign_in_failures WHERE at > statement_timestamp() - CAST(:span AS interval) AND (account_key = :account OR network = :network)
"""


class TooManyTries(RetryLater):
    """Somebody must wait before they may try again."""


def sign_in(address: str, password: str, *, origin: Mapping[str, str]) -> str:
    """Sign in at one more browser; what its cookie is to hold. With a second step on, the session awaits it. Raises Invalid, and
    TooManyTries."""
    known_as, account = account_of("operator", address)
    with transaction() as tx:
        make_wait(tx, account, origin["network"])
        row = tx.execute(
            "SELECT id, password_hash FROM operators WHERE address = :address AND disabled_at IS NULL", address=known_as
        ).one_or_none()
    kept = row.password_hash if row is not None and row.password_hash else passwords.NOBODYS
    if not passwords.is_right(kept, password) or kept == passwords.NOBODYS or row is None:
        note_failure(account, origin["network"])
        raise Invalid(WRONG)
    with transaction() as tx:
        if passwords.needs_new_hash(kept):
            tx.execute(
                "UPDATE operators SET password_hash = :hash WHERE id = :id", hash=passwords.hash_of(password), id=row.id
            )
        awaits = second_step.is_on(tx, row.id)
        if not awaits:
            audit(tx, f"operator {row.id}", "sign in", f"operator {row.id}", **origin)
        return operator_sessions.begin(tx, row.id, origin, awaits_step=awaits)


def account_of(kind: str, typed: str) -> tuple[str, bytes]:
    """The address as it is known, empty for what is none, and the key by which attempts of this kind on it are counted."""
    try:
        known_as = normalise(typed).normalised
    except AddressError:
        known_as = ""
    return known_as, hmac.new(current().address_key, f"{kind}:{known_as}".encode(), hashlib.sha256).digest()


def key_of(kind: str, operator_id: int) -> bytes:
    """The key by which attempts of this kind are counted of somebody whose password is known to be right, or was."""
    return hmac.new(current().address_key, f"{kind}:{operator_id}".encode(), hashlib.sha256).digest()


def take_second_step(waiting: SignedIn, code: str, *, origin: Mapping[str, str]) -> str:
    """The second step of a session that awaits it: another session takes its place, whose cookie's content is returned. Raises
    Invalid, and TooManyTries."""
    account = key_of("step", waiting.operator_id)
    with transaction() as tx:
        # One attempt after the other: many at once would all be made before the first of them is counted.
        tx.execute("SELECT FROM operators WHERE id = :id FOR UPDATE", id=waiting.operator_id)
        make_wait(tx, account, origin["network"])
        right = second_step.check(tx, waiting.operator_id, code)
        if right:
            operator_sessions.close(tx, waiting.session_id)
            audit(tx, waiting.actor, "sign in", f"operator {waiting.operator_id}", **origin)
            return operator_sessions.begin(tx, waiting.operator_id, origin)
        count_failure(tx, account, origin["network"])
    raise Invalid(second_step.WRONG)


def make_wait(tx: Transaction, account: bytes, network: str) -> None:
    """Let nobody try who failed too often a moment ago. Raises TooManyTries."""
    failed = tx.execute(_FAILED, account=account, network=network, span=SPAN).one()
    if failed.network >= TRIES_PER_NETWORK or failed.account >= TRIES_PER_ACCOUNT:
        raise TooManyTries("Too many attempts. Wait a quarter of an hour, then try again.")
    if failed.here < FREE_TRIES:
        return
    wait = min(2 ** (failed.here - FREE_TRIES + 1), SPAN.total_seconds()) - float(failed.since)
    if wait > 0:
        raise TooManyTries(f"Too many attempts. Wait {int(wait) + 1} seconds, then try again.")


def note_failure(account: bytes, network: str) -> None:
    """Count an attempt that failed, whatever becomes of everything else."""
    with transaction() as tx:
        count_failure(tx, account, network)


def count_failure(tx: Transaction, account: bytes, network: str) -> None:
    """The same, within what else is being done."""
    tx.execute(
        "INSERT INTO sign_in_failures (account_key, network) VALUES (:account, :network)",
        account=account,
        network=network,
    )
    tx.execute("DELETE FROM sign_in_failures WHERE at < statement_timestamp() - interval '1 day'")
