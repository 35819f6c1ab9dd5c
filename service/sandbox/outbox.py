"""The durable queue of events: made from accepted requests exactly once, kept in chunks until the webhook took them.

Refuses to run ahead of delivery: while enough events wait, requests stay ungenerated on disk and cost nothing.
"""

import random
import time
import zlib
from typing import Any

import orjson

from service.sandbox.behaviour import from_json
from service.sandbox.database import Database
from service.sandbox.events import Event, Generator, Harvest
from service.sandbox.store import Copy, Store, recipients

MOST_EVENTS = 1000
MOST_BYTES = 768 * 1024
_ENOUGH_WAITING = 20_000


class Outbox:
    def __init__(self, database: Database, store: Store) -> None:
        self._database, self._store = database, store

    def generate(self) -> bool:
        """Turns the next accepted request into events; False when there is nothing to do, or enough is waiting."""
        if self._waiting() > _ENOUGH_WAITING:
            return False
        query = "SELECT seq, id, due, behaviour FROM request WHERE generated = 0 AND behaviour IS NOT NULL AND due <= ?"
        with self._database.reading() as connection:
            row = connection.execute(query + " ORDER BY due LIMIT 1", (time.time(),)).fetchone()
        if row is None:
            return False
        seq, request_id, due, stored = row
        try:
            body = self._store.body(seq)
        except KeyError:
            return True  # emptied meanwhile
        behaviour = from_json(stored)
        harvest = Generator(body, request_id, due, behaviour, self.suppressed(body)).run()
        step = behaviour.delay_ms / 1000
        if behaviour.shuffle:
            pool = [event for wave in harvest.waves for event in wave]
            random.Random(f"{behaviour.seed}:{request_id}").shuffle(pool)  # noqa: S311 (repeatable, not secret)
            harvest.waves = [pool]
        self._keep(seq, due, step, harvest)
        return True

    def _keep(self, seq: int, due: float, step: float, harvest: Harvest) -> None:
        chunks = []
        for wave, events in enumerate(harvest.waves, start=1):
            chunks += [(seq, due + wave * step, len(part), packed) for part, packed in _packed(events)]
        now = int(time.time())
        with self._database.writing() as tx:
            claimed = tx.execute("UPDATE request SET generated = 1 WHERE seq = ? AND generated = 0", (seq,))
            if not claimed.rowcount:
                return
            tx.executemany("INSERT INTO chunk (request, due, events, packed) VALUES (?, ?, ?, ?)", chunks)
            tx.executemany(
                "INSERT OR IGNORE INTO suppression (kind, address, created, reason, status) VALUES (?, ?, ?, ?, ?)",
                [(kind, address, now, reason, status) for kind, address, reason, status in harvest.suppressions],
            )

    def suppressed(self, body: dict[str, Any]) -> dict[str, str]:
        """Who of a request is suppressed, and how. Blocks do not count: SendGrid tries those again."""
        wanted = orjson.dumps([email.lower() for _, email in recipients(body)]).decode()
        query = (
            "SELECT address, kind FROM suppression "
            "WHERE kind <> 'blocks' AND address IN (SELECT value FROM json_each(?)) ORDER BY kind DESC"
        )
        with self._database.reading() as connection:
            return dict(connection.execute(query, (wanted,)))

    def add(self, copy: Copy, event: Event) -> None:
        """Queues one event at once: a real click or open in this sandbox."""
        for _, packed in _packed([event]):
            with self._database.writing() as tx:
                tx.execute(
                    "INSERT INTO chunk (request, due, events, packed) VALUES (?, ?, 1, ?)",
                    (copy.request, time.time(), packed),
                )

    def due(self) -> tuple[list[int], list[bytes]]:
        """The next chunks to deliver together, within SendGrid's size of a POST: their ids and their raw events."""
        query = (
            "SELECT id, events, packed FROM chunk WHERE delivered_at IS NULL AND due <= ? ORDER BY due, id LIMIT 1000"
        )
        ids: list[int] = []
        parts: list[bytes] = []
        events = size = 0
        with self._database.reading() as connection:
            for number, count, packed in connection.execute(query, (time.time(),)):
                part = zlib.decompress(packed)
                if ids and (events + count > MOST_EVENTS or size + len(part) > MOST_BYTES):
                    break
                ids.append(number)
                parts.append(part)
                events, size = events + count, size + len(part)
        return ids, parts

    def delivered(self, ids: list[int]) -> None:
        with self._database.writing() as tx:
            tx.executemany("UPDATE chunk SET delivered_at = ? WHERE id = ?", [(time.time(), one) for one in ids])

    def failed(self, ids: list[int]) -> None:
        """Tries again after 1, 2, 4 … 60 seconds."""
        query = "UPDATE chunk SET attempts = attempts + 1, due = ? + min(60, 1 << min(attempts, 6)) WHERE id = ?"
        with self._database.writing() as tx:
            tx.executemany(query, [(time.time(), one) for one in ids])

    def replay(self) -> int:
        """Sends every event again; returns how many."""
        with self._database.writing() as tx:
            tx.execute("UPDATE chunk SET delivered_at = NULL, attempts = 0, due = ?", (time.time(),))
            return int(tx.execute("SELECT coalesce(sum(events), 0) FROM chunk").fetchone()[0])

    def pending(self) -> int:
        """Events not delivered yet; a request whose events are not made yet counts one per recipient."""
        query = "SELECT coalesce(sum(recipients), 0) FROM request WHERE generated = 0 AND behaviour IS NOT NULL"
        with self._database.reading() as connection:
            waiting = connection.execute(query).fetchone()[0]
        return int(waiting) + self._waiting()

    def _waiting(self) -> int:
        query = "SELECT coalesce(sum(events), 0) FROM chunk WHERE delivered_at IS NULL"
        with self._database.reading() as connection:
            return int(connection.execute(query).fetchone()[0])

    def history(self, copy: Copy) -> list[Event]:
        """What was reported for one copy so far, oldest first."""
        query = "SELECT packed FROM chunk WHERE request = ? AND due <= ? ORDER BY id"
        found: dict[str, Event] = {}
        with self._database.reading() as connection:
            for (packed,) in connection.execute(query, (copy.request, time.time() + 60)):
                for event in orjson.loads(b"[" + zlib.decompress(packed) + b"]"):
                    if event["email"].lower() == copy.address:
                        found[event["sg_event_id"]] = event
        return sorted(found.values(), key=lambda event: event["timestamp"])


def _packed(events: list[Event]) -> list[tuple[list[Event], bytes]]:
    """Cut to the size of a POST, as JSON without the brackets so that chunks can be joined undecoded."""
    if not events:
        return []
    raw = orjson.dumps(events)[1:-1]
    if len(events) > MOST_EVENTS or (len(raw) > MOST_BYTES and len(events) > 1):
        half = len(events) // 2 if len(events) < 2 * MOST_EVENTS else MOST_EVENTS
        return _packed(events[:half]) + _packed(events[half:])
    return [(events, zlib.compress(raw, 1))]
