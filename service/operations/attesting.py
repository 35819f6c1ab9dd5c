"""Answers what an authority asks about one address: who agreed to which words, when, how and from where, what holds now, and
how that can be checked. Reads only; works after an erasure, with what is left."""

import base64
import itertools
from typing import Any

from service import seals
from service.db import Transaction, transaction
from service.domain.consent import Act
from service.operations import proving, verifying
from service.operations.digesting import moment
from service.operations.erasing import key_of

_SUBSCRIPTIONS = """
    SELECT w.slug, n.state, n.tracking, n.export_consent, n.paused_until FROM subscribers s
    JOIN subscriptions n ON n.subscriber_id = s.id JOIN newsletters w ON w.id = n.newsletter_id WHERE s.email_key = :key ORDER BY w.slug
"""
_SUPPRESSIONS = (
    "SELECT kind, source, since, lifted_at, lifted_because FROM suppressions WHERE email_key = :key ORDER BY id"
)
_ERASURES = "SELECT id, at FROM erasures WHERE email_key = :key ORDER BY id"


def attest(address: str) -> dict[str, Any]:
    """The proof, ready to be written as JSON; `acts` counts what was found. Raises Invalid for what is no address."""
    key = key_of(address)
    with transaction() as tx:
        # Several statements about one reader: they must see one moment.
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        acts = proving.history(tx, key)
        return {
            "address": address.strip(),
            "keyed_hash": key.hex(),
            "acts": len(acts),
            "newsletters": _newsletters(acts),
            "present": [_plain(row) for row in tx.execute(_SUBSCRIPTIONS, key=key).mappings()],
            "suppressions": [_plain(row) for row in tx.execute(_SUPPRESSIONS, key=key).mappings()],
            "erased": [{"certificate": row.id, "at": moment(row.at)} for row in tx.execute(_ERASURES, key=key)],
            "verification": _verification(tx, acts),
        }


def _plain(row: Any) -> dict[str, Any]:
    return {name: moment(value) if hasattr(value, "astimezone") else value for name, value in row.items()}


def _newsletters(acts: list[Act]) -> list[dict[str, Any]]:
    """By newsletter and purpose, each with its acts in their order and whether consent is in force after the last."""
    found = []
    for newsletter, of_newsletter in itertools.groupby(sorted(acts, key=_newsletter_of), key=_newsletter_of):
        purposes = []
        for purpose, group in itertools.groupby(sorted(of_newsletter, key=_purpose_of), key=_purpose_of):
            in_order = list(group)
            purposes.append(
                {
                    "purpose": purpose,
                    "in_force": in_order[-1].action != "withdrawn",
                    "acts": [_act(act) for act in in_order],
                }
            )
        name = next((act.newsletter_name for act in acts if _newsletter_of(act) == newsletter), None)
        found.append({"newsletter": newsletter, "name": name, "purposes": purposes})
    return found


def _newsletter_of(act: Act) -> str:
    return act.newsletter or ""


def _purpose_of(act: Act) -> str:
    return act.purpose


def _act(act: Act) -> dict[str, Any]:
    found: dict[str, Any] = {
        "record": act.record_id,
        "number": act.number,
        "action": act.action,
        "at": moment(act.at),
        "how": act.method,
        "wording": act.wording,
        "wording_sha256": act.wording_sha256.hex() if act.wording_sha256 else None,
        "details": "erased" if act.details is None else act.details,
        "origin": "erased" if act.origin is None else act.origin,
        "hash": act.hash.hex(),
    }
    if act.file_name is not None:
        found["file"] = {"name": act.file_name, "sha256": act.file_sha256.hex() if act.file_sha256 else None}
    if act.former:
        found["under_a_former_address"] = act.email_key.hex()
    return found


def _verification(tx: Transaction, acts: list[Act]) -> dict[str, Any]:
    ids = [act.record_id for act in acts]
    digests = verifying.covering(tx, ids)
    through = max((digest.through_id for digest, _ in digests), default=0)
    findings = verifying.check_reader(tx, sorted({act.email_key for act in acts}))
    findings += [finding for _, wrong in digests for finding in wrong]
    return {
        "ok": not findings,
        "findings": [{"record": one.record_id, "what": one.what} for one in findings],
        "digests": [
            {
                "number": digest.number,
                "made_at": digest.body.get("made_at"),
                "records": [
                    record for record in ids if (digest.body.get("after_id") or 0) < record <= digest.through_id
                ],
                "body": digest.text,
                "signature": base64.b64encode(digest.signature).decode(),
            }
            for digest, _ in digests
        ],
        "not_in_a_digest_yet": [record for record in ids if record > through],
        "public_key": seals.public_key(),
    }
