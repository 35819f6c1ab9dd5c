"""Finds readers by what an operator remembers of them: the beginning of an address, a name or an organisation, a whole address, or a
domain. Refuses to look at readers of newsletters that are none of the operator's business, and to find anybody by details that are not."""

import hashlib
from typing import Any

from psycopg.errors import QueryCanceled
from sqlalchemy.exc import OperationalError

from service.db import Transaction, transaction
from service.domain.addresses import AddressError, normalise
from service.domain.permissions import Permission
from service.errors import Invalid
from service.operations.permitting import require_somewhere, within
from service.operations.reader_details import HIDDEN

LONGEST = 200
SECONDS = 10
COUNTED = 100_000

# Each way of finding has an index of its own; the planner would use none of them for an OR over all.
_WAYS = {
    "address": "s.normalised_address LIKE :prefix",
    "first": "lower(s.first_name) LIKE :prefix",
    "last": "lower(s.last_name) LIKE :prefix",
    "organisation": "lower(s.attributes ->> 'organisation') LIKE :prefix",
}
_FOUND = """
    SELECT s.id FROM subscribers s WHERE {way} AND s.id < :before AND {seen} ORDER BY s.id DESC LIMIT :limit
"""
_SEEN = """EXISTS (SELECT FROM subscriptions n WHERE n.subscriber_id = s.id
    AND (CAST(:only AS bigint[]) IS NULL OR n.newsletter_id = ANY(:only))
    AND (CAST(:newsletter AS bigint) IS NULL OR n.newsletter_id = :newsletter)
    AND (CAST(:state AS text) IS NULL OR n.state = :state))"""
_SHOWN = """
    SELECT s.id, s.address, CASE WHEN {hidden} THEN '' ELSE s.first_name END AS first_name,
        CASE WHEN {hidden} THEN '' ELSE s.last_name END AS last_name,
        CASE WHEN NOT {hidden} THEN s.attributes ->> 'organisation' END AS organisation, s.created_at,
        EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.lifted_at IS NULL) AS is_suppressed,
        (SELECT coalesce(jsonb_object_agg(w.name, n.state), '{{}}') FROM subscriptions n JOIN newsletters w ON w.id = n.newsletter_id
            WHERE n.subscriber_id = s.id AND (CAST(:only AS bigint[]) IS NULL OR n.newsletter_id = ANY(:only))) AS states
    FROM subscribers s WHERE s.id = ANY(:ids) ORDER BY s.id DESC
"""

# A cancel must never hit what the pool's connection does next. The search holds this lock when it ends, and whoever stops it holds
# it meanwhile: either the search is still there and is hit, or it is over and bears its name no more.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"
_STOP = """
    SELECT count(*) FILTER (WHERE pg_cancel_backend(pid)) FROM pg_stat_activity
    WHERE application_name = :name AND datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""


def find(
    words: str,
    *,
    actor: str,
    newsletter_id: int | None = None,
    state: str | None = None,
    anywhere: bool = False,
    before: int | None = None,
    limit: int = 50,
    ticket: str = "",
) -> list[dict[str, Any]]:
    """Readers, the newest first, page by page: `before` is the id of the last one seen. `anywhere`: look within words too, which
    reads every reader and gives up after ten seconds; `stop` with the same `ticket`, any text that the caller has chosen, ends it
    sooner. Raises Invalid, also then, and Forbidden."""
    require_somewhere(actor, Permission.SEE_READERS)
    if len(words) > LONGEST or "\x00" in words:
        raise Invalid(f"Look for at most {LONGEST} ordinary characters.")
    only = within(actor, Permission.SEE_READERS)
    given = {"only": only, "newsletter": newsletter_id, "state": state, "before": before or 2**62, "limit": limit}
    try:
        with transaction() as tx:
            return _found(tx, _ways(words.strip(), anywhere), given, _name(actor, ticket) if ticket else "")
    except OperationalError as error:
        if not isinstance(error.orig, QueryCanceled):
            raise
        raise Invalid(
            f"The search was stopped, or took more than {SECONDS} seconds. Look for the beginning of a name or address, or in one newsletter."
        ) from None


def stop(ticket: str, *, actor: str) -> bool:
    """End the actor's own search of this ticket on the database's server, too; whether one was under way. Raises Forbidden."""
    require_somewhere(actor, Permission.SEE_READERS)
    name = _name(actor, ticket)
    with transaction() as tx:
        tx.execute(_LOCK, name=name)
        return bool(tx.execute(_STOP, name=name).scalar_one())


def _name(actor: str, ticket: str) -> str:
    """What the database knows a search by. The actor is in it: nobody ends another's."""
    return "search " + hashlib.sha256(f"{actor}\0{ticket}".encode()).hexdigest()[:40]


def _found(tx: Transaction, ways: dict[str, dict[str, str]], given: dict[str, Any], name: str) -> list[dict[str, Any]]:
    tx.execute("SELECT set_config('statement_timeout', :limit, true)", limit=f"{SECONDS}s")
    if name:
        tx.execute("SELECT set_config('application_name', :name, true)", name=name)
    ids: set[int] = set()
    for way, values in ways.items():
        ids.update(tx.execute(_FOUND.format(way=way, seen=_SEEN), {**given, **values}).scalars())
    rows = tx.execute(
        _SHOWN.format(hidden=HIDDEN), only=given["only"], ids=sorted(ids, reverse=True)[: given["limit"]]
    ).mappings()
    found = [dict(row) for row in rows]
    if name:
        tx.execute(_LOCK, name=name)
    return found


def count(*, actor: str, newsletter_id: int | None = None) -> tuple[int, bool]:
    """How many active readers there are, and whether that is exact: up to 100,000 it is, above it is a lower bound."""
    with transaction() as tx:
        found: int = tx.execute(
            """SELECT count(*) FROM (SELECT FROM subscriptions n WHERE n.state = 'active'
                   AND (CAST(:only AS bigint[]) IS NULL OR n.newsletter_id = ANY(:only))
                   AND (CAST(:newsletter AS bigint) IS NULL OR n.newsletter_id = :newsletter) LIMIT :most) x""",
            only=within(actor, Permission.SEE_READERS),
            newsletter=newsletter_id,
            most=COUNTED + 1,
        ).scalar_one()
    return min(found, COUNTED), found <= COUNTED


def _ways(words: str, anywhere: bool) -> dict[str, dict[str, str]]:
    """Conditions by which to look, each with its values."""
    if not words:
        return {"true": {}}
    if anywhere:
        details = "s.first_name || ' ' || s.last_name || ' ' || s.attributes::text"
        text = f"s.normalised_address || ' ' || CASE WHEN {HIDDEN} THEN '' ELSE {details} END"
        return {f"strpos(lower({text}), :words) > 0": {"words": words.lower()}}
    if words.startswith("@") and len(words) > 1:
        return {"split_part(s.normalised_address, '@', 2) = :domain": {"domain": words[1:].lower()}}
    try:
        return {"s.normalised_address = :address": {"address": normalise(words).normalised}}
    except AddressError:
        prefix = words.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        return {
            way if name == "address" else f"{way} AND NOT {HIDDEN}": {"prefix": prefix} for name, way in _WAYS.items()
        }
