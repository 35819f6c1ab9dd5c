"""How often strangers may ask for something: every number in one place, and the count by network. Knows networks and
keyed hashes only, never whether an address is known."""

from datetime import timedelta
from typing import Literal

from service.db import Transaction

NETWORK_SPAN = timedelta(hours=1)
REQUESTS_PER_NETWORK = 30
"""Sign-ups, and likewise requests for a link, that one /24 or /48 may send within the span."""

SAME_NEWSLETTERS_SPAN = timedelta(hours=24)
"""Within it, an address gets one confirmation mail for the same newsletters."""
ADDRESS_SPAN = timedelta(days=30)
MAILS_PER_ADDRESS = 3
"""Mails of kinds `confirm`, `known` and `change-new` that an address gets within the span, whatever is asked for it."""
MAILS_PER_MAILBOX = 6
"""The same for all spellings of one mailbox: `mei+1@`, `mei+2@` … are as many readers, but one person whom to spare."""
RESEND_AFTER = timedelta(seconds=60)

LARGEST_SIGNUP = 64 * 1024
"""Bytes of one sent form."""

CONFIRM_WITHIN = timedelta(days=7)
"""How long the link of a confirmation mail works."""
FORM_LASTS = timedelta(hours=24)
FASTEST_PERSON = timedelta(seconds=2)
"""Nobody reads, types and ticks faster than this."""


Requests = Literal["signups", "link_requests"]
"""Tables whose rows have a network and a `created_at`."""


def wait_for_network(
    tx: Transaction, table: Requests, network: str, most: int = REQUESTS_PER_NETWORK
) -> timedelta | None:
    """How long this network must wait before it may ask again; None when it may now.

    Requests of one network go one after the other until the transaction's end, so that no burst passes the limit.
    """
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(:network, 0))", network=network)
    return remaining_wait(tx, table, network, most)


def remaining_wait(
    tx: Transaction, table: Requests, network: str, most: int = REQUESTS_PER_NETWORK
) -> timedelta | None:
    """As `wait_for_network`, for whoever holds the network's turn already, or only wants to know."""
    # Not clock_timestamp(): it would keep the index from being used, and every old row be read.
    row = tx.execute(
        f"""SELECT created_at, statement_timestamp() AS now FROM {table} WHERE network = :network AND created_at > statement_timestamp() - :span
            ORDER BY created_at DESC OFFSET :most LIMIT 1""",
        network=network,
        span=NETWORK_SPAN,
        most=most - 1,
    ).one_or_none()
    if row is None:
        return None
    wait: timedelta = row.created_at + NETWORK_SPAN - row.now
    return max(wait, timedelta(seconds=1))
