"""How fast SendGrid's events are taken in: first their signed payloads over real HTTP, checked and stored; then the worker's part,
duplicates dropped, facts and counts written; then the same payloads once more. The yardstick is one bare COPY of the same events."""

import statistics
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from service.clients.sendgrid_events import ATTEMPT_ARGUMENT, DELIVERY_ARGUMENT
from service.errors import BroadsheetError
from service.lab import bench, bench_send, filling, memory, stopping, telling
from service.lab.load import LENGTH
from service.lab.telling import Event
from service.settings import Settings

PAYLOAD = 100
"""Events a POST."""
RUNS = 3
CONNECTIONS = 16
"""As many as the web server has threads."""
_PATH = "/webhooks/sendgrid"
_COUNTS = """
    SELECT (SELECT count(*) FROM events WHERE issue_id = %(issue)s), (SELECT coalesce(sum(fresh), 0) FROM payloads),
        (SELECT coalesce(sum(strays), 0) FROM payloads), (SELECT count(*) FROM payloads WHERE state <> 'ingested'),
        (SELECT count(processed_at) FROM deliveries WHERE issue_id = %(issue)s)
"""
# Without the raw payloads, which are kept for some days.
_STORED = """
    SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND (relname = 'deliveries' OR relname ~ '^events_')
"""
_BARE = """
    CREATE TEMPORARY TABLE bare (issue_id bigint, delivery_id bigint, attempt_id uuid, type text, at timestamptz, url text)
"""


def run(home: Path, events: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Tell so many events about one issue, in three parts. Raises BroadsheetError when a payload is refused, an event is lost or
    counted twice, or the same events again change anything."""
    machine = bench.machine()
    key = ec.generate_private_key(ec.SECP256R1())
    with (
        bench_send.sink(0) as port,
        bench.fresh(home, **bench_send.real(port, 2, key.public_key())) as chosen,
    ):
        letter = bench.a_newsletter()
        filling.people(chosen, int(events / telling.A_READER * 1.1) + 50, letter)
        filling.settle(chosen)
        issue = filling.issue(letter, 1)
        bench_send.send(chosen, issue, say)
        told = telling.about(chosen, issue, int(events / telling.A_READER) + 10)[:events]
        parts = [told[n * len(told) // RUNS : (n + 1) * len(told) // RUNS] for n in range(RUNS)]
        runs: list[dict[str, Any]] = []
        before = _stored(chosen)
        with memory.Watch(home) as watch:
            for part in parts:
                runs.append(_measure(home, chosen, key, issue, part))
                say(_line(runs[-1]))
        stored = _stored(chosen) - before
        _check(chosen, issue, told)
    names = ("intake_per_second", "hook_p50_ms", "hook_p99_ms", "ingest_per_second", "replay_per_second")
    more = ("bare_copy_per_second", "intake_ratio", "ingest_ratio", "replay_ratio")
    return {
        "events": len(told),
        "readers": len({one[DELIVERY_ARGUMENT] for one in told}),
        "events_a_payload": PAYLOAD,
        "connections": CONNECTIONS,
        "bytes_an_event": round(stored / len(told)),
        **{name: round(statistics.median(one[name] for one in runs), 4) for name in names + more},
        "runs": runs,
        "memory_mib": watch.highest(),
        "machine": machine | {"load_after": bench.load_average()},
    }


def _stored(chosen: Settings) -> int:
    """Bytes of events and deliveries, indexes included."""
    with filling.connected(chosen) as connection:
        found = connection.execute(_STORED).fetchone()
    return int(found[0]) if found else 0


def _measure(
    home: Path, chosen: Settings, key: ec.EllipticCurvePrivateKey, issue: int, part: Sequence[Event]
) -> dict[str, Any]:
    """The worker is held during the intake, so that both are measured apart."""
    payloads = home / "payloads"
    write(payloads, chosen.port, key, part)
    with stopping.held(home, "tracking"):
        intake = _post(chosen, payloads)
    ingest = telling.wait_until_taken(chosen)
    known = telling.digest(chosen, issue)
    with stopping.held(home, "tracking"):
        _post(chosen, payloads)
    replay = telling.wait_until_taken(chosen)
    if telling.digest(chosen, issue) != known:
        raise BroadsheetError("The same events, told again, have changed what is known.")
    bare = len(part) / _bare_copy(chosen, issue, part)
    rates = {
        "intake": len(part) / intake["elapsed"],
        "ingest": len(part) / max(0.001, ingest),
        "replay": len(part) / max(0.001, replay),
    }
    return {
        "events": len(part),
        **{f"{name}_per_second": round(rate) for name, rate in rates.items()},
        **{f"{name}_ratio": round(rate / bare, 4) for name, rate in rates.items()},
        "bare_copy_per_second": round(bare),
        "hook_p50_ms": round(1000 * bench.percentile(intake["seconds"], 0.5), 1),
        "hook_p99_ms": round(1000 * bench.percentile(intake["seconds"], 0.99), 1),
    }


def write(file: Path, port: int, key: ec.EllipticCurvePrivateKey, events: Sequence[Event]) -> None:
    """Requests for the load: signed payloads, whole, each after its length."""
    with file.open("wb") as into:
        for payload in telling.payloads(events, PAYLOAD):
            body = telling.body_of(payload)
            headers = {
                "Host": f"127.0.0.1:{port}",
                "Content-Length": str(len(body)),
                **telling.headers_of(key, body),
            }
            head = f"POST {_PATH} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            request = f"{head}\r\n".encode() + body
            into.write(len(request).to_bytes(LENGTH, "big") + request)


def _post(chosen: Settings, payloads: Path) -> dict[str, Any]:
    found = bench.load(
        chosen,
        {"kind": "prepared", "file": str(payloads), "connections": CONNECTIONS, "seconds": telling.LONGEST},
    )
    if set(found["statuses"]) != {"204"}:
        raise BroadsheetError(f"Hooks were answered with {found['statuses']} where only 204 is right.")
    return found


def _bare_copy(chosen: Settings, issue: int, part: Sequence[Event]) -> float:
    """Seconds for writing the events, parsed before, into a table without keys."""
    rows = [
        (
            issue,
            int(one[DELIVERY_ARGUMENT]),
            uuid.UUID(one[ATTEMPT_ARGUMENT]),
            one["event"],
            datetime.fromtimestamp(one["timestamp"], UTC),
            one.get("url"),
        )
        for one in part
    ]
    with filling.connected(chosen) as connection:
        connection.execute(_BARE)
        begun = time.monotonic()
        with connection.cursor() as cursor, cursor.copy("COPY bare FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return time.monotonic() - begun


def _check(chosen: Settings, issue: int, told: Sequence[Event]) -> None:
    with filling.connected(chosen) as connection:
        found = connection.execute(_COUNTS, {"issue": issue}).fetchone()
    processed = len({one[DELIVERY_ARGUMENT] for one in told if one["event"] == "processed"})
    if found != (len(told), len(told), 0, 0, processed):
        raise BroadsheetError(f"{len(told):,} events were told; known, fresh, strays, waiting, processed: {found}.")


def _line(one: dict[str, Any]) -> str:
    return (
        f"{one['events']:,} events: intake {one['intake_per_second']:,}/s (p50 {one['hook_p50_ms']:.0f} ms, p99 {one['hook_p99_ms']:.0f} ms),"
        f" ingest {one['ingest_per_second']:,}/s, again {one['replay_per_second']:,}/s; bare COPY {one['bare_copy_per_second']:,}/s"
    )
