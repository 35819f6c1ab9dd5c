"""How many sign-ups a second the hosted form takes, beside a page that does nothing, on the same server in the same minute: by itself, with
the worker that answers them held, and once with that worker beside it. Counts only what was kept and rung for: an answer without a row is a
failure, and so is a row without a bell."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.errors import BroadsheetError
from service.lab import bench
from service.lab.stopping import held
from service.operations import mailing_report
from service.settings import Settings

RUNS = 3
CONNECTIONS = 16
"""Kept open, as a proxy's are, and each always waiting for an answer."""


def run(home: Path, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure; everything else of the service runs meanwhile. Raises BroadsheetError when an answer was not what it should be, or a
    sign-up that was thanked for is not there or was not rung for."""
    machine = bench.machine()
    with bench.fresh(home) as chosen:
        bench.a_newsletter()
        form = bench.form(chosen)
        # Not counted: the first answers open the connections to the servers.
        warm_up = _measure(chosen, form, 1.0, RUNS)
        answering = _measure(chosen, form, seconds, RUNS + 1)
        say(f"with the worker that answers them: {_line(answering)}")
        runs = []
        with held(home, "mail"):
            for number in range(RUNS):
                runs.append(_measure(chosen, form, seconds, number))
                say(_line(runs[-1]))
        answered = mailing_report.answered()
        unrung = (home / "log" / "web.log").read_text(errors="replace").count("bell not rung")
    if unrung:
        raise BroadsheetError(f"{unrung:,} bells, each for some sign-ups that were kept, were not rung.")
    kept, thanked = sum(answered.signups.values()), sum(one["signups"] for one in [warm_up, answering, *runs])
    if kept != thanked:
        raise BroadsheetError(f"{thanked:,} sign-ups were thanked for, {kept:,} were kept.")
    names = ("signups_per_second", "p50_ms", "p99_ms", "healthz_per_second", "ratio")
    return {
        **{name: round(statistics.median(one[name] for one in runs), 3) for name in names},
        "answering": answering,
        "connections": CONNECTIONS,
        "kept": kept,
        "mails": answered.mails,
        "runs": runs,
        "machine": machine | {"load_after": bench.load_average()},
    }


def _measure(chosen: Settings, form: bench.Form, seconds: float, number: int) -> dict[str, Any]:
    words = {"fields": form.fields, "first": number * 10_000_000, "domain": "signups.example"}
    return bench.beside_healthz(
        chosen,
        {"kind": "signup", "path": "/subscribe", **words},
        called="signups",
        right="303",
        connections=CONNECTIONS,
        seconds=seconds,
    )


def _line(one: dict[str, Any]) -> str:
    return (
        f"{one['signups_per_second']:,.0f} sign-ups/s (p50 {one['p50_ms']:.0f} ms, p99 {one['p99_ms']:.0f} ms),"
        f" /healthz {one['healthz_per_second']:,.0f}/s, ratio {one['ratio']:.2f}"
    )
