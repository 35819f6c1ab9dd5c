"""Imports one file in a process of its own, wired as a worker is, so that its memory is the import's. Run as
`python -m service.lab.importer`; takes one job as JSON on stdin and prints what it measured."""

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from service import settings, wiring
from service.operations import importing

_HIGHEST = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds for the operation alone, without starting the process."""
    wiring.wire(settings.load())
    before = _memory()
    begun = time.monotonic()
    report = importing.import_subscribers(
        Path(job["file"]), newsletter_id=job["newsletter"], consent="Benchmark", tracking_consent="Benchmark"
    )
    seconds = time.monotonic() - begun
    return {"seconds": seconds, "memory_mib": _memory(), "memory_before_mib": before, "report": report.to_json()}


def _memory() -> float:
    """MiB, the highest so far. What the kernel says of a process's resources would count the one that started it, too."""
    try:
        found = _HIGHEST.search(Path("/proc/self/status").read_text())
    except OSError:
        return 0.0
    return round(int(found[1]) / 1024, 1) if found else 0.0


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
