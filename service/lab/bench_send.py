"""How fast an issue leaves: frozen, handed to a bare 202 sink, its ledger closed; everything runs meanwhile. The yardstick is the
same requests, built before, posted with the same concurrency, and one bare INSERT … SELECT of as many rows."""

import base64
import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.errors import BroadsheetError
from service.lab import bench, filling, memory
from service.operations import rebuilding, reporting, scheduling, upkeep
from service.settings import ROOT, Settings

LONGEST = 1800.0
PREBUILT = 20
"""Requests of the yardstick, posted again and again."""
_UNDER_WAY = ("scheduled", "preparing", "sending")
_SIZES = "SELECT pg_total_relation_size('deliveries') / greatest(1, (SELECT count(*) FROM deliveries))"


def run(home: Path, readers: int, latency: float, workers: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Send one issue to so many readers. Raises BroadsheetError when it is not sent to each of them exactly once."""
    machine = bench.machine()
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    with sink(latency) as port, bench.fresh(home, **real(port, workers, key)) as chosen:
        letter = bench.a_newsletter()
        # One in fifty of them has left.
        filling.people(chosen, readers * 50 // 49, letter)
        filling.settle(chosen)
        issue = filling.issue(letter, 1)
        say(f"{readers:,} readers are there; the issue is being sent.")
        with memory.Watch(home) as watch:
            frozen, sent = send(chosen, issue, say)
        upkeep.check_ledgers()
        ledger = reporting.show(issue)["ledger"]
        taken = _ask(port)
        _check(ledger, taken)
        with filling.connected(chosen) as connection:
            size = connection.execute(_SIZES).fetchone() or (0,)
        bare = _bare_insert(chosen)
        bodies = rebuilding.rebuild(issue, at_most=PREBUILT)
        posted = _bare_posts(port, bodies, workers, min(200, max(20, ledger["candidates"] // 1000)))
    handed = ledger["candidates"] / max(0.001, sent - frozen)
    return {
        "readers": ledger["candidates"],
        "accepted": ledger["accepted"],
        "requests": taken[0],
        "latency_ms": latency,
        "workers": workers,
        "freeze_s": round(frozen, 2),
        "bare_insert_s": round(bare, 2),
        "freeze_ratio": round(frozen / max(0.001, bare), 1),
        "hand_off_per_second": round(handed),
        "bare_posts_per_second": round(posted),
        "hand_off_ratio": round(handed / posted, 3),
        "total_s": round(sent, 2),
        "bytes_a_delivery": int(size[0]),
        "memory_mib": watch.highest(),
        "machine": machine | {"load_after": bench.load_average()},
    }


def send(
    chosen: Settings, issue: int, say: Callable[[str], None], on_frozen: threading.Event | None = None
) -> tuple[float, float]:
    """Seconds from Send until the issue was frozen, which may be told, and until it was sent."""
    with filling.connected(chosen) as connection:
        connection.autocommit = True
        begun = time.monotonic()
        scheduling.schedule(issue, actor="bench")
        frozen = _wait(connection, issue, ("scheduled", "preparing"), begun, say)
        if on_frozen is not None:
            on_frozen.set()
        return frozen, _wait(connection, issue, _UNDER_WAY, begun, say)


def real(port: int, workers: int, key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """Settings as for real mail, but that it all goes to the sink, and that who has the key's other half is SendGrid."""
    shown = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "SENDGRID_API_KEY": "SG.benchmark",
        "SENDGRID_URL": f"http://127.0.0.1:{port}",
        "SENDGRID_WEBHOOK_KEYS": base64.b64encode(shown).decode(),
        "PUBLIC_URL": "https://letters.example",
        "SENDING_WORKERS": str(workers),
    }


@contextmanager
def sink(latency: float) -> Iterator[int]:
    """The port of a sink in a process of its own."""
    process = subprocess.Popen(  # noqa: S603 (this interpreter, and a number)
        [sys.executable, "-m", "service.lab.sink", str(latency)], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        line = process.stdout.readline() if process.stdout else b""
        if not line.strip().isdigit():
            raise BroadsheetError("The sink did not start.")
        yield int(line)
    finally:
        process.terminate()
        process.wait(10)


def _wait(
    connection: "psycopg.Connection[Any]",
    issue: int,
    while_in: tuple[str, ...],
    begun: float,
    say: Callable[[str], None],
) -> float:
    """Seconds since the beginning until the issue is in another state. The state alone is asked for: more would be measured."""
    while (spent := time.monotonic() - begun) < LONGEST:
        found = connection.execute("SELECT state FROM issues WHERE id = %s", (issue,)).fetchone() or ("lost",)
        if found[0] not in while_in:
            say(f"{found[0]} after {spent:.1f} s")
            return spent
        time.sleep(0.05)
    raise BroadsheetError(f"The issue is not sent after {LONGEST:.0f} s.")


def _check(ledger: dict[str, Any], taken: tuple[int, int]) -> None:
    if not ledger["candidates"] == ledger["accepted"] == taken[1]:
        raise BroadsheetError(f"The sink got {taken[1]:,} readers; the ledger says {ledger}.")


def _ask(port: int) -> tuple[int, int]:
    """Requests and readers that the sink took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        requests, readers, _ = connection.getresponse().read().split()
        return int(requests), int(readers)
    finally:
        connection.close()


def _bare_insert(chosen: Settings) -> float:
    """Seconds for one INSERT … SELECT of as many rows with nothing but a primary key."""
    with filling.connected(chosen) as connection:
        connection.execute("CREATE TEMPORARY TABLE bare (id bigint PRIMARY KEY, subscriber_id bigint, email_key bytea)")
        begun = time.monotonic()
        connection.execute("INSERT INTO bare SELECT id, id, email_key FROM subscribers")
        return time.monotonic() - begun


def _bare_posts(port: int, bodies: list[bytes], workers: int, times: int) -> float:
    """Readers a second when nothing is done but posting, on connections that stay open."""
    numbers = iter(range(times))
    readers = [0]
    lock = threading.Lock()

    def post() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            body = bodies[number % len(bodies)]
            connection.request("POST", "/v3/mail/send", body)
            connection.getresponse().read()
            with lock:
                readers[0] += body.count(b'"List-Unsubscribe"')
        connection.close()

    begun = time.monotonic()
    threads = [threading.Thread(target=post) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return readers[0] / (time.monotonic() - begun)
