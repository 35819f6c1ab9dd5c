"""Understands SendGrid's event webhook: is it theirs, and what does it say in our words. Keeps nothing, looks nothing up."""

import base64
import binascii
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from service.domain.events import Consequence, Event, EventType, MailEvent

SIGNATURE_HEADER = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP_HEADER = "X-Twilio-Email-Event-Webhook-Timestamp"
DELIVERY_ARGUMENT = "bs_delivery"
ATTEMPT_ARGUMENT = "bs_attempt"
MAIL_ARGUMENT = "mail"
"""Instead of the two others, in a mail of the service itself."""
OWN_ARGUMENT = "bs_own"
"""Alone, in mails of ours of which nothing is recorded: to the team, to seeds, tests. Their events are no strays."""

_TIMESTAMP = re.compile(r"\d{10}", re.ASCII)
_PLAIN = {
    "processed": EventType.PROCESSED,
    "deferred": EventType.DEFERRED,
    "delivered": EventType.DELIVERED,
    "click": EventType.CLICKED,
    "spamreport": EventType.COMPLAINED,
    "unsubscribe": EventType.UNSUBSCRIBED,
    "group_unsubscribe": EventType.UNSUBSCRIBED,
}
_DROPS = {
    # SendGrid drops these for a reason of its own suppression lists: what we did not know, we know now.
    "bounced": Consequence.HARD_BOUNCE,
    "invalid": Consequence.HARD_BOUNCE,
    "spam reporting": Consequence.COMPLAINT,
    "unsubscribed": Consequence.PROVIDER,
}


class MalformedPayloadError(ValueError):
    """The body is not a JSON array of objects."""


@dataclass(frozen=True)
class Parsed:
    """`events` in our words, and those of the service's own mails; `strays`: entries that carry nothing of ours; `unknown`: of a
    kind we do not know."""

    events: list[Event]
    mails: list[MailEvent]
    strays: int
    unknown: int


def is_genuine(body: bytes, signature: str | None, timestamp: str | None, keys: Iterable[str]) -> bool:
    """Whether one of the keys (base64 DER, P-256) signed timestamp + raw body. No freshness check: it is not documented
    whether a redelivery, up to a day later, is signed anew; replays are harmless because ingest is idempotent."""
    if not signature or not timestamp or not _TIMESTAMP.fullmatch(timestamp):
        return False
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    for key in keys:
        public = load_der_public_key(base64.b64decode(key))
        if not isinstance(public, ec.EllipticCurvePublicKey):
            continue
        try:
            public.verify(raw, timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            continue
        return True
    return False


def check(body: bytes) -> int:
    """The number of entries. Raises MalformedPayloadError."""
    return len(_entries(body))


def parse(body: bytes) -> Parsed:
    """The payload in our words, in any order and with any unknown keys. Raises MalformedPayloadError."""
    events: list[Event] = []
    mails: list[MailEvent] = []
    strays = unknown = 0
    for entry in _entries(body):
        kind = _type(entry) if isinstance(entry, dict) else None
        if kind is None:
            unknown += 1
        elif (event := _event(entry, kind)) is not None:
            events.append(event)
        elif (mail := _mail_event(entry, kind)) is not None:
            mails.append(mail)
        elif OWN_ARGUMENT not in entry:
            strays += 1
    return Parsed(events, mails, strays, unknown)


def _entries(body: bytes) -> list[Any]:
    try:
        entries = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            # A lone surrogate in somebody's user agent is no reason to lose the other events of the payload.
            entries = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise MalformedPayloadError("the body is not JSON") from error
    if not isinstance(entries, list) or (entries and not any(isinstance(entry, dict) for entry in entries)):
        raise MalformedPayloadError("the body is not a JSON array of objects")
    return entries


def _type(entry: Mapping[str, Any]) -> EventType | None:
    name = entry.get("event")
    if name == "open":
        return EventType.OPENED_BY_MACHINE if entry.get("sg_machine_open") is True else EventType.OPENED
    if name == "bounce":
        # `blocked` is a temporary refusal: the address is not to blame, but this copy did not arrive.
        return EventType.BOUNCED
    if name == "dropped":
        return EventType.DROPPED
    return _PLAIN.get(name) if isinstance(name, str) else None


def _event(entry: Mapping[str, Any], kind: EventType) -> Event | None:
    at = _moment(entry.get("timestamp"))
    delivery = _id(entry.get(DELIVERY_ARGUMENT))
    if at is None or delivery is None:
        return None
    offset = entry.get("url_offset")
    return Event(
        type=kind,
        delivery_id=delivery,
        attempt_id=_uuid(entry.get(ATTEMPT_ARGUMENT)),
        at=at,
        detail=_detail(entry, kind),
        url=_text(entry.get("url"), 2000) if kind is EventType.CLICKED else None,
        url_index=_text(offset.get("index") if isinstance(offset, dict) else offset, 20) or "",
        attempt_number=_text(entry.get("attempt"), 20) or "",
        consequence=_consequence(entry, kind),
        leaves=kind is EventType.UNSUBSCRIBED or kind is EventType.COMPLAINED,
    )


def _mail_event(entry: Mapping[str, Any], kind: EventType) -> MailEvent | None:
    at = _moment(entry.get("timestamp"))
    mail = _id(entry.get(MAIL_ARGUMENT))
    return None if at is None or mail is None else MailEvent(kind, mail, at, _consequence(entry, kind))


def _id(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return None


def _consequence(entry: Mapping[str, Any], kind: EventType) -> Consequence | None:
    if kind is EventType.BOUNCED:
        return Consequence.HARD_BOUNCE if entry.get("type") == "bounce" else None
    if kind is EventType.COMPLAINED:
        return Consequence.COMPLAINT
    if kind is EventType.UNSUBSCRIBED:
        return Consequence.PROVIDER if entry.get("event") == "unsubscribe" else None
    if kind is EventType.DROPPED:
        reason = str(entry.get("reason") or "").lower()
        return next(
            (found for start, found in _DROPS.items() if reason.startswith(start) and "smtpapi" not in reason), None
        )
    return None


def _detail(entry: Mapping[str, Any], kind: EventType) -> str | None:
    """Why it bounced, was deferred or dropped: classification and status only, since free text may quote an address."""
    if kind is EventType.DROPPED:
        return _text(entry.get("reason"), 100)
    if kind in (EventType.BOUNCED, EventType.DEFERRED):
        parts = (entry.get("type"), entry.get("bounce_classification"), entry.get("status"))
        return " · ".join(text for part in parts if (text := _text(part, 60))) or None
    return None


def _moment(value: object) -> datetime | None:
    """UNIX seconds, or milliseconds as in some of SendGrid's samples."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    seconds = value / 1000 if value > 1e12 else value
    return datetime.fromtimestamp(int(seconds), UTC) if 946_684_800 <= seconds < 4_102_444_800 else None


def _uuid(value: object) -> uuid.UUID | None:
    return _uuid_of(value) if isinstance(value, str) and len(value) <= 50 else None


@lru_cache(maxsize=1000)  # a thousand copies share an attempt
def _uuid_of(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value)
    except ValueError:
        return None


def _text(value: object, longest: int) -> str | None:
    if isinstance(value, str | int) and not isinstance(value, bool):
        text = str(value).encode("utf-8", "replace").decode().replace("\x00", "")
        return text[:longest] or None
    return None
