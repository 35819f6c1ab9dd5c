"""Events about an issue that was sent, made and told as SendGrid tells them: signed, in one payload many. Knows what they must
leave in the database, so that two ways of telling can be compared."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from service.clients.sendgrid_events import (
    ATTEMPT_ARGUMENT,
    DELIVERY_ARGUMENT,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
)
from service.errors import BroadsheetError
from service.lab import filling
from service.settings import Settings

Event = dict[str, Any]

A_READER = 3.5
"""Events of one reader, at least, on the average of fifty or more."""
DAY = 86_400
LONGEST = 1800.0
_DELIVERIES = """
    SELECT d.id, d.subscriber_id, a.id FROM deliveries d JOIN attempts a ON a.batch_id = d.batch_id AND a.state = 'accepted'
    WHERE d.issue_id = %s ORDER BY d.subscriber_id LIMIT %s
"""
_FACTS = """
    SELECT subscriber_id, processed_at, deferred_at, delivered_at, bounced_at, dropped_at, opened_at, opened_by_machine_at, clicked_at,
        complained_at, unsubscribed_at FROM deliveries WHERE issue_id = %s ORDER BY subscriber_id
"""
_EVENTS = """
    SELECT d.subscriber_id, e.type, e.at, e.detail, e.url FROM events e JOIN deliveries d ON d.id = e.delivery_id
    WHERE e.issue_id = %s ORDER BY 1, 2, 3, 4, 5
"""
_WAITING = "SELECT count(*) FROM payloads WHERE state <> 'ingested'"


def about(chosen: Settings, issue: int, readers: int) -> list[Event]:
    """The distinct events of so many of an issue's readers, in the order of their times, a day ago: of readers by turns delivered
    and read, refused for now, or late."""
    with filling.connected(chosen) as connection:
        rows = connection.execute(_DELIVERIES, (issue, readers)).fetchall()
    start = int(time.time()) // DAY * DAY - DAY
    found = [
        {**event, DELIVERY_ARGUMENT: str(delivery), ATTEMPT_ARGUMENT: str(attempt), "email": "someone@readers.example"}
        for delivery, subscriber, attempt in rows
        for event in _of_reader(subscriber, start + subscriber % 3600)
    ]
    return sorted(found, key=lambda one: int(one["timestamp"]))


def _of_reader(number: int, at: int) -> Iterator[Event]:
    yield {"event": "processed", "timestamp": at}
    if number % 10 == 0:
        yield {"event": "deferred", "timestamp": at + 5, "attempt": "1"}
        yield {"event": "deferred", "timestamp": at + 65, "attempt": "2"}
    if number % 25 == 0:
        yield {"event": "bounce", "type": "blocked", "status": "4.2.2", "timestamp": at + 90}
        return
    yield {"event": "delivered", "timestamp": at + 70}
    yield {"event": "open", "timestamp": at + 400, "sg_machine_open": number % 3 == 0}
    if number % 2:
        url = {"url": "https://www.example.com/more", "url_offset": {"index": number % 3, "type": "html"}}
        yield {"event": "click", "timestamp": at + 420, **url}


def payloads(events: Sequence[Event], size: int) -> list[list[Event]]:
    """Cut into so many a POST."""
    return [list(events[n : n + size]) for n in range(0, len(events), size)]


def body_of(events: Sequence[Event]) -> bytes:
    """Compact JSON and a line end, as SendGrid writes it."""
    return json.dumps(events, separators=(",", ":")).encode() + b"\r\n"


def headers_of(key: ec.EllipticCurvePrivateKey, body: bytes) -> dict[str, str]:
    """The headers of a body that is posted now, with its signature."""
    stamp = str(int(time.time()))
    signature = base64.b64encode(key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    return {SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: stamp, "Content-Type": "application/json"}


def wait_until_taken(chosen: Settings) -> float:
    """Seconds until every payload has been taken in. Raises BroadsheetError when that takes too long."""
    begun = time.monotonic()
    with filling.connected(chosen) as connection:
        connection.autocommit = True
        while time.monotonic() - begun < LONGEST:
            if connection.execute(_WAITING).fetchone() == (0,):
                return time.monotonic() - begun
            time.sleep(0.05)
    raise BroadsheetError(f"The payloads are not taken in after {LONGEST:.0f} s.")


def digest(chosen: Settings, issue: int) -> str:
    """Of all facts and events of an issue's readers, whatever the rows' numbers."""
    found = hashlib.sha256()
    with filling.connected(chosen) as connection:
        for question in (_FACTS, _EVENTS):
            for row in connection.execute(question, (issue,)):
                found.update(repr(row).encode())
    return found.hexdigest()[:16]
