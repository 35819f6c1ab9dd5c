"""Counts requests and how long they took, by endpoint, over all processes of the web. The counts lie in memory that gunicorn's master
shares with its workers: a worker that dies takes nothing away. Knows endpoints' names only: no path, which may hold a token."""

import mmap
import struct
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable

from flask import Flask, Response, g, request

BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds."""
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
SLOTS = 16
"""One writer each: so many workers may live at once. A new worker goes on with the counts of a dead one."""
_CELLS = len(CLASSES) + len(BUCKETS) + 2  # +Inf, and the sum of seconds
_VALUE = struct.Struct("d")


class Meter:
    """A table of numbers, endpoints × cells, once for each slot."""

    def __init__(self, endpoints: Iterable[str]) -> None:
        self._rows = {name: number for number, name in enumerate(sorted({*endpoints, "none"}))}
        self._size = len(self._rows) * _CELLS * _VALUE.size
        # Anonymous and shared: what a child writes after the fork, the others see.
        self._memory = mmap.mmap(-1, self._size * SLOTS)
        self._lock = threading.Lock()
        self._slot = 0

    def use_slot(self, number: int) -> None:
        """After a fork: count in a place of one's own."""
        self._slot, self._lock = number % SLOTS, threading.Lock()

    def count(self, endpoint: str | None, status: int, seconds: float) -> None:
        """One request more."""
        row = self._rows.get(endpoint or "none", self._rows["none"])
        bucket = len(CLASSES) + bisect_left(BUCKETS, seconds)
        with self._lock:
            self._add(row, min(max(status // 100, 1), 5) - 1, 1.0)
            self._add(row, bucket, 1.0)
            self._add(row, _CELLS - 1, seconds)

    def _add(self, row: int, cell: int, by: float) -> None:
        place = self._slot * self._size + (row * _CELLS + cell) * _VALUE.size
        _VALUE.pack_into(self._memory, place, _VALUE.unpack_from(self._memory, place)[0] + by)

    def _cells(self, row: int) -> list[float]:
        """Summed over all slots."""
        sums = [0.0] * _CELLS
        for slot in range(SLOTS):
            place = slot * self._size + row * _CELLS * _VALUE.size
            for cell, value in enumerate(struct.unpack_from(f"{_CELLS}d", self._memory, place)):
                sums[cell] += value
        return sums

    def lines(self) -> list[str]:
        """In Prometheus's text format; endpoints that nobody asked for are left out."""
        requests = ["# TYPE broadsheet_http_requests_total counter"]
        seconds = ["# TYPE broadsheet_http_request_seconds histogram"]
        for name, row in self._rows.items():
            cells = self._cells(row)
            if not any(cells):
                continue
            requests += [
                f'broadsheet_http_requests_total{{endpoint="{name}",status="{one}"}} {cells[n]:.0f}'
                for n, one in enumerate(CLASSES)
                if cells[n]
            ]
            total = 0.0
            for bound, value in zip((*map(str, BUCKETS), "+Inf"), cells[len(CLASSES) : -1], strict=True):
                total += value
                seconds.append(f'broadsheet_http_request_seconds_bucket{{endpoint="{name}",le="{bound}"}} {total:.0f}')
            seconds.append(f'broadsheet_http_request_seconds_sum{{endpoint="{name}"}} {cells[-1]:.6f}')
            seconds.append(f'broadsheet_http_request_seconds_count{{endpoint="{name}"}} {total:.0f}')
        return [*requests, *seconds]


def register(app: Flask) -> None:
    """Count every request. Before anything else is registered: the time of every other hook is the request's, and what refuses one
    is counted too. `equip` comes last."""

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    # The first that is registered is called last.
    @app.after_request
    def count(response: Response) -> Response:
        seconds = time.perf_counter() - g.get("begun", time.perf_counter())
        app.extensions["meter"].count(request.endpoint, response.status_code, seconds)
        return response


def equip(app: Flask) -> None:
    """Once every endpoint is known, and before any worker is forked: the table that all of them count in."""
    app.extensions["meter"] = Meter(rule.endpoint for rule in app.url_map.iter_rules())
