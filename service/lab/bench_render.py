"""What it costs to render an issue of 60 KB, cold and warm, and what of that is premailer's: the yardstick is premailer alone on
the same page in the same run, so that the share means the same on every machine."""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from service.lab.bench import load_average, machine
from service.rendering import inlining, newsletter
from service.rendering.newsletter import Masthead
from service.settings import ROOT

SIZE = 60 * 1024
_MASTHEAD = Masthead("Benchmark Letter", "Harbour & Lane LLP", "3 Grain Quay, Northmere")
_ITEM = """
### Item {number}: a rule that changed in the {number}th week

The authority of Northmere wrote on {number} March that **every transfer** needs a register, and that who keeps none pays.[^{number}]
Our colleague 林美 has [a guide](https://www.example.com/guide/{number}?a=1&b=2), in four parts:

- who must keep it, and since when;
- what stands in it *at least*;
- whom it is shown to.

[^{number}]: Transfers Act, section {number}, https://law.example/transfers/{number}.
"""
_COLD = """
import json, sys, time
before = time.perf_counter()
from service.lab import bench_render
imported = time.perf_counter()
bench_render.once(sys.stdin.read())
print(json.dumps([imported - before, time.perf_counter() - imported]))
"""


def issue() -> str:
    """An issue whose mail has about 60 KB of HTML: as large as a real edition, well below where Gmail cuts."""
    head = '---\nsubject: A long letter\npreheader: Measured.\n---\n\n# A long letter\n\nDear {{ first_name | default: "reader" }},\n'
    items = 1
    while True:
        text = head + "".join(_ITEM.format(number=number) for number in range(1, items + 1))
        if len(once(text).encode()) >= SIZE:
            return text
        items += 2


def once(text: str) -> str:
    """Render it as a variant is rendered."""
    return newsletter.render(text, _MASTHEAD).html


def run(times: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds and memory, as medians of `times` runs (at least three)."""
    before = machine()
    text = issue()
    pages: list[str] = []
    with inlining.watched(pages.append):
        html = once(text)
    say(f"An issue of {len(html.encode()) / 1024:.0f} KB of HTML; {len(pages)} run of premailer for it.")
    cold = [_cold(text) for _ in range(times)]
    warm = [_seconds(lambda: once(text)) for _ in range(times)]
    inlined = [_seconds(lambda: inlining.inline_styles(pages[0])) for _ in range(times)]
    bare = [_seconds(lambda: inlining.bare(pages[0])) for _ in range(times)]
    yardstick = statistics.median(bare)
    return {
        "machine": before | {"load_after": load_average()},
        "runs": times,
        "html_kb": round(len(html.encode()) / 1024, 1),
        "premailer_runs": len(pages),
        "import_s": statistics.median(one[0] for one in cold),
        "cold_s": statistics.median(one[1] for one in cold),
        "warm_s": statistics.median(warm),
        "inlining_s": statistics.median(inlined),
        "bare_premailer_s": yardstick,
        "ratio": statistics.median(warm) / yardstick,
        "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _cold(text: str) -> tuple[float, float]:
    """Seconds for importing, and for the first issue, in a process of its own."""
    done = subprocess.run(  # noqa: S603 (ourselves)
        [sys.executable, "-c", _COLD], input=text.encode(), cwd=ROOT, capture_output=True, timeout=120, check=True
    )
    imported, rendered = (float(part) for part in done.stdout.decode().strip().strip("[]").split(","))
    return imported, rendered
