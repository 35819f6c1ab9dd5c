"""How many readers a second leave by one click, beside a page that does nothing, on the same server in the same minute. Counts only
what is in force: an answer without an ended subscription and its consent record is a failure."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service import tokens
from service.errors import BroadsheetError
from service.lab import bench, filling, memory
from service.lab.bench_signup import CONNECTIONS, RUNS
from service.settings import Settings

WARM_UP = 1.0
"""Seconds at most that are not counted: the first answers open the connections to the servers."""
COUNTED_WITHIN = 60.0
MOST = 3000
"""A second that there are readers for; whoever takes more runs out of them, and is measured until then."""
_ACTIVE = "SELECT id FROM subscriptions WHERE newsletter_id = %s AND state = 'active' ORDER BY sha256(int8send(id))"
_LEFT = """
    SELECT count(*) FILTER (WHERE n.state = 'unsubscribed' AND r.id IS NOT NULL), count(*) FILTER (WHERE d.unsubscribed_at IS NOT NULL), count(*)
    FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
    LEFT JOIN consent_records r ON r.email_key = s.email_key AND r.newsletter_id = n.newsletter_id AND r.method = 'one-click'
    LEFT JOIN deliveries d ON d.issue_id = %s AND d.subscriber_id = n.subscriber_id WHERE n.id = ANY(%s)
"""


def run(home: Path, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure; everything else of the service runs meanwhile. Raises BroadsheetError when an answer was not what it should be, or
    somebody who was told that they left has not."""
    machine = bench.machine()
    with bench.fresh(home) as chosen:
        warm_up = min(WARM_UP, seconds)
        made = filling.fill(chosen, int(MOST * (warm_up + RUNS * seconds)), say, sent=1)
        filling.settle(chosen)
        links = _links(chosen, made["newsletter"])
        _measure(chosen, links, warm_up)
        runs = []
        with memory.Watch(home, every=1.0) as watch:
            for _ in range(RUNS):
                runs.append(_measure(chosen, links, seconds))
                say(_line(runs[-1]))
        _wait_until_counted(chosen)
        left = _check(chosen, made["sent"], links.used)
    names = ("leaves_per_second", "p50_ms", "p99_ms", "healthz_per_second", "ratio")
    return {
        **{name: round(statistics.median(one[name] for one in runs), 3) for name in names},
        "connections": CONNECTIONS,
        "left": left,
        "runs": runs,
        "memory_mib": watch.highest(),
        "machine": machine | {"load_after": bench.load_average()},
    }


class _Links:
    """Leave links of readers, in no order; each is used once."""

    def __init__(self, subscriptions: list[int]) -> None:
        self._subscriptions = subscriptions
        self._signer = tokens.Signer(tokens.Purpose.LEAVE)
        self._used = 0

    @property
    def used(self) -> list[int]:
        return self._subscriptions[: self._used]

    def some(self, number: int) -> list[str]:
        return [self._signer.sign(one) for one in self._subscriptions[self._used : self._used + number]]

    def use(self, number: int) -> None:
        self._used += number


def _links(chosen: Settings, newsletter: int) -> _Links:
    with filling.connected(chosen) as connection:
        return _Links([row[0] for row in connection.execute(_ACTIVE, (newsletter,))])


def _measure(chosen: Settings, links: _Links, seconds: float) -> dict[str, Any]:
    found = bench.beside_healthz(
        chosen,
        {"kind": "leave", "tokens": links.some(int(MOST * seconds))},
        called="leaves",
        right="200",
        connections=CONNECTIONS,
        seconds=seconds,
    )
    links.use(found["leaves"])
    return found


def _wait_until_counted(chosen: Settings) -> None:
    """Raises BroadsheetError when the service does not count them."""
    until = time.monotonic() + COUNTED_WITHIN
    with filling.connected(chosen) as connection:
        while connection.execute("SELECT FROM uncounted_leavings LIMIT 1").fetchone() is not None:
            if time.monotonic() > until:
                raise BroadsheetError(f"Some who left were not counted on the issue within {COUNTED_WITHIN:.0f} s.")
            time.sleep(0.5)


def _check(chosen: Settings, issue: int, used: list[int]) -> int:
    """How many left. Raises BroadsheetError unless they are those who were told so, each with a record, and counted on the issue."""
    with filling.connected(chosen) as connection:
        row = connection.execute(_LEFT, (issue, used)).fetchone()
    if row != (len(used),) * 3:
        raise BroadsheetError(f"{len(used):,} were told that they left; ended and recorded, counted, rows: {row}.")
    return len(used)


def _line(one: dict[str, Any]) -> str:
    return (
        f"{one['leaves_per_second']:,.0f} leaves/s (p50 {one['p50_ms']:.0f} ms, p99 {one['p99_ms']:.0f} ms),"
        f" /healthz {one['healthz_per_second']:,.0f}/s, ratio {one['ratio']:.2f}"
    )
