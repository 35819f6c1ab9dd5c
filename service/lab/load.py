"""Loads a server over real HTTP from a process of its own: so many connections that stay open, each asking again as soon as it
is answered, for so many seconds or until there is nothing more to ask. Run as `python -m service.lab.load`; takes one job as JSON
on stdin and prints what it measured. Standard library only."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

Make = Callable[[int], bytes | None]
"""The request of this number; None when there are no more."""
LENGTH = 8
"""Bytes that say how long a prepared request is."""


def get(job: dict[str, Any]) -> Make:
    """The same GET every time."""
    request = f"GET {job['path']} HTTP/1.1\r\nHost: {job['host']}:{job['port']}\r\n\r\n".encode()
    return lambda _number: request


def signup(job: dict[str, Any]) -> Make:
    """The hosted form, sent by another reader from another network every time."""
    fixed = urlencode([tuple(pair) for pair in job["fields"]])

    def make(number: int) -> bytes:
        body = f"{fixed}&address=load{job['first'] + number}%40{job['domain']}"
        network = f"{10 + number // 65536 % 100}.{number // 256 % 256}.{number % 256}.1"
        return (
            f"POST {job['path']} HTTP/1.1\r\nHost: {job['host']}:{job['port']}\r\nX-Forwarded-For: {network}\r\n"
            f"Origin: http://{job['host']}:{job['port']}\r\nSec-Fetch-Site: same-origin\r\nAccept-Language: en\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    return make


def leave(job: dict[str, Any]) -> Make:
    """RFC 8058's one-click POST, by another reader's link every time."""
    tokens, body = job["tokens"], "List-Unsubscribe=One-Click"

    def make(number: int) -> bytes | None:
        if number >= len(tokens):
            return None
        return (
            f"POST /u/{tokens[number]} HTTP/1.1\r\nHost: {job['host']}:{job['port']}\r\nX-Forwarded-For: 203.0.113.{number % 250}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    return make


def prepared(job: dict[str, Any]) -> Make:
    """Whole requests from a file, each once and in its order: their length, and themselves."""
    file = Path(job["file"]).open("rb")  # noqa: SIM115 (for as long as this process lives)

    def make(_number: int) -> bytes | None:
        length = file.read(LENGTH)
        return file.read(int.from_bytes(length, "big")) if length else None

    return make


MAKERS = {"get": get, "signup": signup, "leave": leave, "prepared": prepared}


class _Load:
    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.make = MAKERS[job["kind"]](job)
        self.asked = 0
        self.seconds: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.until = 0.0

    async def run(self) -> dict[str, Any]:
        started = time.monotonic()
        self.until = started + self.job["seconds"]
        await asyncio.gather(*(self._connection() for _ in range(self.job["connections"])))
        return {
            "asked": self.asked,
            "elapsed": time.monotonic() - started,
            "statuses": self.statuses,
            "seconds": self.seconds,
        }

    async def _connection(self) -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while time.monotonic() < self.until:
            request = self.make(self.asked)
            if request is None:
                break
            self.asked += 1
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection(self.job["host"], self.job["port"])
            started = time.monotonic()
            try:
                writer.write(request)
                status, stays = await _answer(reader)
            except (OSError, asyncio.IncompleteReadError):
                status, stays = "lost", False
            self.statuses[status] += 1
            self.seconds.append(time.monotonic() - started)
            if not stays:
                writer.close()
                reader = writer = None
        if writer is not None:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """The status, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
    }
    await reader.readexactly(int(fields.get("content-length", "0")))
    return head.split(" ", 2)[1], fields.get("connection", "").lower() != "close"


def main() -> None:
    print(json.dumps(asyncio.run(_Load(json.load(sys.stdin)).run())))


if __name__ == "__main__":
    main()
