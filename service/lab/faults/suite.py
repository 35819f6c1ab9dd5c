"""The faults by their numbers, run seed after seed, each run kept in a report as soon as it is over, so that a suite that was
broken off goes on where it was."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.errors import BroadsheetError
from service.lab import bench
from service.lab.faults import answers, clocks, crowds, events, guards, issues, killing, restored, servers_hurt, sizes
from service.lab.faults.machine import Machine, wait_until
from service.lab.faults.run import Outcome, Run, settle

GUARDED = "F13"
CLOCKED = "F8"
FAULTS: dict[str, tuple[str, Callable[[Run], None], int]] = {
    "F1": ("a process killed at each point of its work", killing.killed_at_a_point, 30),
    "F2": ("a process stopped for 1, 2 and 10 leases, and let go on", killing.stopped_at_a_point, 30),
    "F3": ("the web killed between a commit and its bell", killing.web_killed_before_the_bell, 5),
    "F4": ("the broker killed, emptied, frozen, started empty, full", servers_hurt.broker_hurt, 5),
    "F5": ("PostgreSQL stopped at once, cut off, read-only, killed", servers_hurt.database_hurt, 5),
    "F6": ("every wrong answer of the provider", answers.answered_wrong, 30),
    "F7": ("events told many times, backwards, late, malformed", events.told_in_every_way, 30),
    CLOCKED: ("the clocks jump by two hours", clocks.clocks_jump, 5),
    "F9": ("two clocks, more workers, buttons pressed twice", crowds.pulled_about, 30),
    "F10": ("readers leave, are imported and erased meanwhile", crowds.stormed, 30),
    "F11": ("a migration, and every process restarted in order", killing.restarted_in_order, 5),
    "F12": ("yesterday's backup put back", restored.put_back, 5),
    GUARDED: ("each guard taken away in turn: is it noticed?", lambda _: None, len(guards.GUARDS)),
}
"""By its number: what it is, what does it, and how many seeds a whole suite runs."""

RUNS_A_MACHINE = 40
"""Then a new one: the lists of the last runs would slow down the next."""
LOST = "broken off"
TRIES = 3
"""Of a run that came too late to be in the middle of its issue."""


class Report:
    """Lines of JSON, one a run; what is there already is not run again. `path` may be absent."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.runs: list[dict[str, Any]] = []
        if path and path.exists():
            whole = path.read_text().splitlines(keepends=True)
            self.runs = [json.loads(line) for line in whole if line.endswith("\n") and line.strip()]
            if whole and not whole[-1].endswith("\n"):  # written when the suite was broken off
                path.write_text("".join(whole[:-1]))

    def has(self, **words: Any) -> bool:
        return any(all(one.get(name) == value for name, value in words.items()) for one in self.runs)

    def add(self, one: dict[str, Any]) -> None:
        self.runs.append(one)
        if self._path:
            with self._path.open("a") as file:
                file.write(json.dumps(one) + "\n")


def run(
    chosen: Sequence[str], *, seeds: int | None, readers: int, stock: bool, report: Report, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Run each fault with seeds 0, 1, …; as many as a whole suite has when none are given. Returns a row for each fault."""
    missing = [name for name in chosen if name not in FAULTS]
    if missing:
        raise BroadsheetError(f"There is no fault {', '.join(missing)}. There are {', '.join(FAULTS)}.")
    todo = [
        (name, seed)
        for name in chosen
        for seed in range(FAULTS[name][2] if name == GUARDED else seeds or FAULTS[name][2])
        if not report.has(fault=name, seed=seed, readers=readers, stock=stock)
    ]
    _without_guards([one for one in todo if one[0] == GUARDED], readers, stock, report, say)
    others = [one for one in todo if one[0] not in (GUARDED, CLOCKED)]
    for start in range(0, len(others), RUNS_A_MACHINE):
        _on_one_machine(others[start : start + RUNS_A_MACHINE], readers, stock, report, say)
    # Last, since it cannot begin where faketime is missing.
    _on_one_machine([one for one in todo if one[0] == CLOCKED], readers, stock, report, say)
    return table(chosen, [one for one in report.runs if one["readers"] == readers and one["stock"] == stock])


def _without_guards(
    todo: Sequence[tuple[str, int]], readers: int, stock: bool, report: Report, say: Callable[[str], None]
) -> None:
    """A machine for each guard, since all its processes are without it; green is what the checker found red."""
    for name, seed in todo:
        guard = list(guards.GUARDS)[seed]
        started = time.monotonic()
        without = "" if guard in guards.BY_HAND else guard
        with prepared(readers, stock, without) as (machine, newsletter, form):
            one = Run(machine, newsletter, seed, form, notes={"without": guard})
            try:
                one.notes["found"] = len(guards.is_noticed(one, guard))
                words = [] if one.notes["found"] else [f"{LOST}: nobody noticed that {guard} was taken away"]
            except Exception as error:
                words = [f"{LOST}: {type(error).__name__}: {error}"[:600]]
        found = asdict(_nothing(time.monotonic() - started, words, one.notes)) | {"counted": {}}
        report.add({"fault": name, "seed": seed, "readers": readers, "stock": stock} | found)
        say(line(report.runs[-1]))


def _on_one_machine(
    todo: Sequence[tuple[str, int]], readers: int, stock: bool, report: Report, say: Callable[[str], None]
) -> None:
    at = 0
    while at < len(todo):
        with prepared(readers, stock, clocked=todo[at][0] == CLOCKED) as (machine, newsletter, form):
            while at < len(todo):
                name, seed = todo[at]
                at += 1
                one: dict[str, Any] = {"fault": name, "seed": seed, "readers": readers, "stock": stock}
                one |= once(machine, newsletter, form, name, seed)
                report.add(one)
                say(line(one))
                # What went wrong may have left the machine hurt; and of an issue to a few readers nothing is the middle.
                if one["faults"] or one["candidates"] < readers / 2:
                    break  # the next run gets a new one


def once(machine: Machine, newsletter: int, form: bench.Form, name: str, seed: int) -> dict[str, Any]:
    """One run, in the words of the report. One that came too late is made again, if its issue went well all the same."""
    tries = 0
    while True:
        tries += 1
        started = time.monotonic()
        one = Run(machine, newsletter, seed, form, notes={} if tries == 1 else {"tries": tries})
        try:
            # The last run may have killed it; that readers find nobody there meanwhile is no fault of this one.
            wait_until(machine.is_open, machine.size.patience, "the web to take connections")
            is_late = _hurt(one, FAULTS[name][1])
            outcome = settle(one, started)
            if is_late and not outcome.faults:
                if tries < TRIES:
                    continue
                raise is_late
        except Exception as error:
            words = [f"{LOST}: {type(error).__name__}: {error}"[:600]]
            return asdict(_nothing(time.monotonic() - started, words, one.notes)) | {"counted": {}}
        return asdict(outcome) | {"counted": outcome.counted()}


def _hurt(one: Run, fault: Callable[[Run], None]) -> issues.TooLateError | None:
    """Hurt it; the error, if that came too late to be in the middle."""
    try:
        fault(one)
    except issues.TooLateError as error:
        return error
    return None


def _nothing(seconds: float, words: list[str], notes: dict[str, Any]) -> Outcome:
    return Outcome(round(seconds, 1), 0, 0, 0, 0, 0, 0, 0, 0, words, notes)


@contextmanager
def prepared(
    readers: int, stock: bool, without: str = "", *, clocked: bool = False
) -> Iterator[tuple[Machine, int, bench.Form]]:
    """A machine that runs, with a newsletter of so many readers and a sign-up form that was looked at."""
    machine = Machine(sizes.paced(readers), stock=stock or clocked, without=without, clocked=clocked)
    try:
        machine.start()
        bench.a_newsletter()
        yield machine, issues.a_newsletter(machine, "monthly", readers), bench.form(machine.settings)
    finally:
        machine.close()


def table(chosen: Sequence[str], runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each fault: sums over its runs."""
    rows = []
    for name in chosen:
        own = [one for one in runs if one["fault"] == name]
        counted = {kind: sum(one["counted"].get(kind, 0) for one in own) for kind in KINDS}
        rows.append(
            {
                "fault": name,
                "what": FAULTS[name][0],
                "runs": len(own),
                "kills": sum(one["kills"] for one in own),
                "readers": sum(one["candidates"] for one in own if not one["faults"]),
                **counted,
                "broken_off": sum(any(words.startswith(LOST) for words in one["faults"]) for one in own),
                "in_review": sum(one["in_review"] for one in own),
                "slowest_recovery": max((one["recovered"] for one in own), default=0.0),
            }
        )
    return rows


KINDS = ("doubled", "missed", "after_leaving", "other")


def is_green(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether every run kept every promise."""
    return all(row["runs"] and not any(row[kind] for kind in (*KINDS, "broken_off")) for row in rows)


def line(one: dict[str, Any]) -> str:
    """A run in one line."""
    words = ", ".join(f"{name} {value}" for name, value in one["notes"].items())
    state = "ok" if not one["faults"] else "; ".join(one["faults"][:3])
    return f"{one['fault']} seed {one['seed']} ({words}): {state}, {one['seconds']} s, {one['accepted']} accepted, {one['in_review']} in review"
