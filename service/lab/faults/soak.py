"""F14: one fault after the other, drawn anew, on the same machine for hours, with how much memory its processes take."""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from service.lab.faults import suite
from service.lab.memory import Watch

DRAWN = ("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F9", "F11")
FIRST_SEED = 1000
"""Beyond those of a suite."""
ENDS = 5
"""Runs at either end that are compared."""


def run(hours: float, *, readers: int, stock: bool, report: suite.Report, say: Callable[[str], None]) -> dict[str, Any]:
    """Until the time is over. Returns the rows of suite.table, and of each kind of process the median of its highest memory in the
    first and in the last runs, in MiB."""
    deadline = time.monotonic() + hours * 3600
    draw = random.Random(FIRST_SEED)  # noqa: S311 - repeatable, not secret
    runs: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        with suite.prepared(readers, stock) as prepared:
            while time.monotonic() < deadline:
                name, seed = draw.choice(DRAWN), FIRST_SEED + len(runs)
                with Watch(prepared[0].home) as watch:
                    one = suite.once(*prepared, name, seed)
                runs.append({"fault": name, "seed": seed, "readers": readers, "stock": stock} | one)
                report.add(runs[-1] | {"memory": watch.highest()})
                say(suite.line(runs[-1]))
                if one["faults"]:
                    break
    return {"faults": suite.table(DRAWN, runs), "memory": _memory(report.runs[-len(runs) :] if runs else [])}


def _memory(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    names = {name for one in runs for name in one["memory"]}
    return {
        name: {
            "first": statistics.median(one["memory"].get(name, 0.0) for one in runs[:ENDS]),
            "last": statistics.median(one["memory"].get(name, 0.0) for one in runs[-ENDS:]),
        }
        for name in sorted(names)
    }
