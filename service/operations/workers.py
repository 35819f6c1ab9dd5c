"""Which processes of the service are alive: each shows itself, those that were not seen for a day are forgotten."""

import os
import socket
import tomllib
from collections.abc import Sequence
from functools import cache
from typing import Any

from service import queue
from service.db import Transaction, transaction
from service.domain.duties import SEEN_WITHIN
from service.settings import ROOT

_SEEN = """
    INSERT INTO workers (name, kind, queues, pid, host, version, started_at, last_seen_at)
    VALUES (:name, :kind, :queues, :pid, :host, :version, clock_timestamp(), clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET kind = :kind, queues = :queues, host = :host, version = :version, last_seen_at = clock_timestamp(),
        pid = :pid, started_at = CASE WHEN workers.pid = :pid AND workers.host = :host AND workers.last_seen_at > clock_timestamp() - CAST(:within AS interval)
            THEN workers.started_at ELSE clock_timestamp() END
"""
_ALL = """
    SELECT name, kind, queues, version, extract(epoch FROM clock_timestamp() - last_seen_at)::float AS seconds_ago,
        last_seen_at > clock_timestamp() - CAST(:within AS interval) AS alive
    FROM workers ORDER BY name
"""


@cache
def version() -> str:
    """Of this code."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def seen(name: str, *, kind: str, queues: Sequence[str] = ()) -> None:
    """This process, a `worker` or a `beat`, is alive."""
    with transaction() as tx:
        tx.execute(
            _SEEN,
            name=name,
            kind=kind,
            queues=sorted(queues),
            pid=os.getpid(),
            host=socket.gethostname(),
            version=version(),
            within=SEEN_WITHIN,  # in containers, a process that came back has the number of the one before
        )
        tx.execute("DELETE FROM workers WHERE last_seen_at < clock_timestamp() - interval '1 day'")


def gone(name: str) -> None:
    """This process ends as it should: nobody need miss it."""
    with transaction() as tx:
        tx.execute(
            "DELETE FROM workers WHERE name = :name AND pid = :pid AND host = :host",
            name=name,
            pid=os.getpid(),
            host=socket.gethostname(),
        )


def listed(tx: Transaction) -> list[dict[str, Any]]:
    """Every process: `name`, `kind`, `queues`, `version`, `seconds_ago` it was seen, `alive`."""
    return [dict(row) for row in tx.execute(_ALL, within=SEEN_WITHIN).mappings()]


def without_worker(tx: Transaction) -> list[str]:
    """Queues that nobody serves."""
    alive = {name for one in listed(tx) if one["alive"] for name in one["queues"]}
    return [name for name in queue.QUEUES if name not in alive]


def missed(tx: Transaction) -> dict[str, str]:
    """What was seen within a day, did not end as it should, and has no other in its place: queue or `beat` → a sentence."""
    present = listed(tx)
    alive = {name for one in present if one["alive"] for name in (*one["queues"], one["kind"])}
    silent = {name for one in present if not one["alive"] for name in (one["queues"] or [one["kind"]])} - alive
    return {name: f"No {_what(name)} has been seen for more than a minute. Start it again." for name in sorted(silent)}


def _what(name: str) -> str:
    return "beat" if name == "beat" else f"worker of the queue “{name}”"
