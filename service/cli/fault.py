"""`broadsheet faults …`: break an installation in every way, and see that nobody is mailed twice, missed, or mailed after
leaving."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from service.cli.frame import as_json, command, say, screen, show_json
from service.cli.groups import fault_suites
from service.lab.faults import soak as soaking
from service.lab.faults import suite

# Short, so that a row fits into 80 columns: what each stands for is told below the table.
_HEADS = {
    "fault": "", "runs": "runs", "kills": "kills", "readers": "readers", "doubled": "twice", "missed": "missed", "after_leaving": "left",
    "other": "other", "broken_off": "broken", "in_review": "review", "slowest_recovery": "slowest",
}  # fmt: skip
LEGEND = (
    "twice: got two copies · missed: got none · left: got one after leaving",
    "other: another promise broken · broken: runs broken off",
    "review: copies a person was asked about · slowest: seconds to recover",
)


@command(fault_suites, example="broadsheet faults run --fault F1,F6 --seeds 5")
@click.option("--fault", "faults", default="", help="Of these alone, as F1,F6; all by default.")
@click.option(
    "--seeds", type=click.IntRange(1, 1000), help="Runs of each fault; by default as many as its weight asks for."
)
@click.option("--readers", type=click.IntRange(32, 100_000), default=400, show_default=True)
@click.option(
    "--stock", is_flag=True, help="On this machine's own PostgreSQL and Redis instead of the embedded servers."
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep each run here as a line of JSON; what is there already is not run again.",
)
@as_json
def run(faults: str, seeds: int | None, readers: int, stock: bool, report: Path | None, as_json: bool) -> None:
    """Run the fault suite on fresh installations that send to the sandbox only, and are removed afterwards.

    The whole takes about half an hour on two processors. Exit 0 only if every promise was kept in every run.
    """
    chosen = [name.strip().upper() for name in faults.split(",") if name.strip()] or list(suite.FAULTS)
    rows = suite.run(chosen, seeds=seeds, readers=readers, stock=stock, report=suite.Report(report), say=say)
    if as_json:
        show_json({"green": suite.is_green(rows), "faults": rows})
    else:
        _print(rows)
    if not suite.is_green(rows):
        sys.exit(1)


@command(fault_suites, example="broadsheet faults soak --hours 8 --report soak.jsonl")
@click.option("--hours", type=click.FloatRange(0.01, 1000), default=8.0, show_default=True)
@click.option("--readers", type=click.IntRange(32, 100_000), default=400, show_default=True)
@click.option(
    "--stock", is_flag=True, help="On this machine's own PostgreSQL and Redis instead of the embedded servers."
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Keep each run here as a line of JSON.")
@as_json
def soak(hours: float, readers: int, stock: bool, report: Path | None, as_json: bool) -> None:
    """Hurt one installation for hours, by one fault after the other, and watch its memory.

    Exit 0 only if every promise was kept in every run.
    """
    found = soaking.run(hours, readers=readers, stock=stock, report=suite.Report(report), say=say)
    if as_json:
        show_json(found)
    else:
        _print(found["faults"])
        for name, one in found["memory"].items():
            say(f"{name}: {one['first']:.0f} MiB at first, {one['last']:.0f} MiB at the end")
    ran = [row for row in found["faults"] if row["runs"]]
    if not ran or not suite.is_green(ran):
        sys.exit(1)


def _print(rows: Sequence[dict[str, object]]) -> None:
    screen.print(table_of(rows))
    for row in rows:
        say(f"{row['fault']:<4} {row['what']}")
    for told in LEGEND:
        say(told)


def table_of(rows: Sequence[dict[str, object]]) -> Table:
    """A row for each fault, narrow enough for any terminal; what it is called stands below."""
    table = Table(*_HEADS.values(), box=None, padding=(0, 1, 0, 0))
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for row in rows:
        table.add_row(*(f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in _HEADS))
    return table
