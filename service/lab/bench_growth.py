"""How time and memory grow with the number of readers: the same sending, and if wished the same import, at several sizes, each in a
fresh installation. What counts is the exponent between the sizes: 1 is in proportion, 0 is not at all."""

import itertools
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from service.lab import bench, bench_import, bench_send, plot

LARGE = 200_000
"""Readers above which one run is enough: it takes minutes, and varies less."""
AGE = 180.0
"""Seconds that an installation has run for when its memory is measured, if a size is large: its connections keep what they have once been
asked, and duties ask more the longer they run. To fill a large one takes as long."""
LATENCY = 100.0
WORKERS = 8
_TIMES = {"freeze_s": "freeze", "hand_off_s": "hand-off", "total_s": "whole sending", "import_s": "import"}
_MEMORY = {
    "sending_mib": "sending worker",
    "postgres_mib": "PostgreSQL process",
    "importer_mib": "importing process",
}
_LEAST = 0.001


def run(
    home: Path, sizes: Sequence[int], times: int, say: Callable[[str], None], *, with_import: bool = False
) -> dict[str, Any]:
    """Measure at each of the sizes, in rising order. Raises BroadsheetError where a run did not do what it should."""
    machine = bench.machine()
    rows = []
    age = AGE if max(sizes) > LARGE else 0.0
    for size in sorted(sizes):
        rows.append(_at(home / f"{size}", size, times if size <= LARGE else 1, age, say, with_import=with_import))
        shutil.rmtree(home / f"{size}", ignore_errors=True)
    names = [name for name in (*_TIMES, *_MEMORY) if name in rows[0]]
    return {
        "sizes": rows,
        "exponents": {name: exponents([(one["readers"], one[name]) for one in rows]) for name in names},
        "latency_ms": LATENCY,
        "workers": WORKERS,
        "machine": machine | {"load_after": bench.load_average()},
    }


def _at(
    home: Path, size: int, times: int, age: float, say: Callable[[str], None], *, with_import: bool
) -> dict[str, Any]:
    home.mkdir(mode=0o711)
    sent = bench_send.run(home / "send", size, LATENCY, WORKERS, say, times=times)
    say("Once more, to look closely at memory" + (f" once all has run for {age:.0f} s." if age else "."))
    # One issue at every size: each further one leaves something in a connection's memory.
    watched = bench_send.run(home / "memory", size, LATENCY, WORKERS, say, times=1, closely_after=age)["memory_mib"]
    row = {
        "readers": sent["readers"],
        "runs": times,
        "freeze_s": sent["freeze_s"],
        "hand_off_s": round(sent["total_s"] - sent["freeze_s"], 2),
        "total_s": sent["total_s"],
        "sending_mib": watched["sending"],
        "postgres_mib": watched["postgres"],
        "bytes_a_delivery": sent["bytes_a_delivery"],
    }
    if with_import:
        taken = bench_import.run(home, size, times, say)
        row |= {"import_s": taken["seconds"], "importer_mib": taken["importer_memory_mib"]}
    return row


def exponents(points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Slopes in a plot whose axes are both logarithmic: between neighbours, and of the line that fits all best."""
    logs = [(math.log(size), math.log(max(_LEAST, value))) for size, value in points]
    between = [round((y2 - y1) / (x2 - x1), 2) for (x1, y1), (x2, y2) in itertools.pairwise(logs) if x2 > x1]
    x_mean, y_mean = (sum(column) / len(logs) for column in zip(*logs, strict=True))
    spread = sum((x - x_mean) ** 2 for x, _ in logs)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in logs) / spread if spread else 0.0
    return {"between": between, "all": round(slope, 2)}


def picture(found: dict[str, Any]) -> str:
    """The plot, as SVG."""
    panels = []
    for title, up, names in (("Time", "seconds", _TIMES), ("Memory", "MiB, private memory of one process", _MEMORY)):
        lines = [
            plot.Line(
                f"{shown}, n^{found['exponents'][name]['all']:.2f}",
                [(one["readers"], max(_LEAST, one[name])) for one in found["sizes"]],
            )
            for name, shown in names.items()
            if name in found["exponents"]
        ]
        panels.append(plot.Panel(title, "readers", up, lines))
    sizes = ", ".join(plot.number(one["readers"]) for one in found["sizes"])
    return plot.draw(panels, title=f"How time and memory grow with the number of readers: {sizes}")


def table(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each thing measured: its name, its values at every size, the exponents."""
    rows = [
        ("", *(f"{one['readers']:,}" for one in found["sizes"]), "exponent between", "of all"),
    ]
    for name, shown in {**_TIMES, **_MEMORY}.items():
        if name in found["exponents"]:
            slopes = found["exponents"][name]
            unit = "s" if name.endswith("_s") else "MiB"
            values = (f"{one[name]:,.1f} {unit}" for one in found["sizes"])
            rows.append((shown, *values, ", ".join(f"{one:.2f}" for one in slopes["between"]), f"{slopes['all']:.2f}"))
    return rows
