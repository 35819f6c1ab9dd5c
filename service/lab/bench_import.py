"""How fast a file of readers is imported: read, checked, taken, each with its consent records, the bad rows reported. The yardstick is
one bare COPY of the same rows into a table without keys, in the same database."""

import csv
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.errors import BroadsheetError
from service.lab import bench, filling, memory, readers
from service.running import environment_of
from service.settings import ROOT, Settings

BAD = 500
"""One row in so many is bad, by turns in each way."""
LONGEST = 1800.0
_BLOCK = 1 << 20
_RECORDS = """
    SELECT count(*) FILTER (WHERE purpose = 'newsletter'), count(*) FILTER (WHERE purpose = 'tracking'),
        (SELECT count(*) FROM consent_details WHERE part = 'act') FROM consent_records
"""
_BARE = (
    "CREATE TABLE bare (email text, first_name text, last_name text, language text, tracking text, organisation text)"
)


@dataclass(frozen=True)
class Made:
    """A file of readers, and the same without its bad rows; how many rows of each kind were written."""

    file: Path
    good: Path
    readers: int
    invalid: int
    duplicates: int
    asked: int
    """Readers who say yes or no to tracking."""

    @property
    def rows(self) -> int:
        return self.readers + self.invalid + self.duplicates


def run(home: Path, number: int, times: int, say: Callable[[str], None], *, after: int = 0) -> dict[str, Any]:
    """Import a file of so many rows, each time into a fresh installation, `after` so many readers whose tables were analysed.
    Raises BroadsheetError when a row is unaccounted for."""
    machine = bench.machine()
    made = make(home, number)
    say(
        f"{made.rows:,} rows, {made.invalid + made.duplicates:,} of them bad, {made.file.stat().st_size / 2**20:.0f} MiB."
    )
    runs = []
    for turn in range(times):
        runs.append(_once(home / f"{turn}", made, _few(home, after)))
        say(_line(runs[-1]))
        shutil.rmtree(home / f"{turn}", ignore_errors=True)
    names = ("seconds", "rows_per_second", "again_s", "bare_copy_s", "ratio", "importer_memory_mib")
    return {
        "rows": made.rows,
        "after": after,
        "invalid": made.invalid,
        "duplicates": made.duplicates,
        **{name: round(statistics.median(one[name] for one in runs), 3) for name in names},
        "consent_records": made.readers + made.asked,
        "memory_mib": runs[-1]["memory_mib"],
        "runs": runs,
        "machine": machine | {"load_after": bench.load_average()},
    }


def make(folder: Path, number: int) -> Made:
    """Files with so many rows in all."""
    file, good = folder / "readers.csv", folder / "good.csv"
    invalid = duplicates = asked = 0
    last: list[str] = []
    with file.open("w", newline="", encoding="utf-8") as every, good.open("w", newline="", encoding="utf-8") as only:
        writer, good_writer = csv.writer(every), csv.writer(only)
        writer.writerow(next(readers.synthetic(1)).keys())
        for n, row in enumerate(readers.synthetic(number)):
            cells = list(row.values())
            if n % BAD != BAD - 1:
                good_writer.writerow(cells)
                asked += row["tracking"] != ""
                last = cells
            elif n // BAD % 5 == 4:
                cells = last
                duplicates += 1
            else:
                cells = _spoilt(cells, n // BAD % 5)
                invalid += 1
            writer.writerow(cells)
    return Made(file, good, number - invalid - duplicates, invalid, duplicates, asked)


def _spoilt(cells: list[str], way: int) -> list[str]:
    email, first, last, language, tracking, organisation = cells
    match way:
        case 0:
            email = email.replace("@", " at ")
        case 1:
            language = "the usual"
        case 2:
            tracking = "perhaps"
        case _:
            return [*cells, "one too many"]
    return [email, first, last, language, tracking, organisation]


def _few(folder: Path, number: int) -> Path | None:
    """A file of other readers, who were there before."""
    if not number:
        return None
    file = folder / "before.csv"
    file.write_text("email\n" + "".join(f"earlier{n}@readers.example\n" for n in range(number)))
    return file


def _once(home: Path, made: Made, before: Path | None) -> dict[str, Any]:
    with bench.fresh(home) as chosen:
        newsletter = bench.a_newsletter()
        if before is not None:
            # What is planned for tables that are known to be small may be wrong for large ones.
            _import(chosen, before, newsletter)
            filling.settle(chosen)
        known = _records(chosen)
        bare = _bare_copy(chosen, made.good)
        with memory.Watch(home) as watch:
            first = _import(chosen, made.file, newsletter)
        _check(chosen, made, first["report"], known, added=made.readers)
        again = _import(chosen, made.file, newsletter)
        _check(chosen, made, again["report"], known, added=0)
    return {
        "seconds": round(first["seconds"], 2),
        "rows_per_second": round(made.rows / first["seconds"]),
        "again_s": round(again["seconds"], 2),
        "bare_copy_s": round(bare, 3),
        "ratio": round(first["seconds"] / bare, 1),
        "importer_memory_mib": first["memory_mib"],
        "importer_memory_before_mib": first["memory_before_mib"],
        "memory_mib": watch.highest(),
    }


def _import(chosen: Settings, file: Path, newsletter: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "service.lab.importer"],
        input=json.dumps({"file": str(file), "newsletter": newsletter}).encode(),
        env=environment_of(chosen),
        cwd=ROOT,
        capture_output=True,
        timeout=LONGEST,
        check=False,
    )
    if done.returncode:
        raise BroadsheetError(f"The import failed: {done.stderr.decode(errors='replace').strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _check(chosen: Settings, made: Made, report: dict[str, Any], known: tuple[int, ...], *, added: int) -> None:
    """Every row is accounted for, every bad one reported, and every act recorded once, however often the file is imported."""
    expected = {
        "rows": made.rows,
        "added": added,
        "unchanged": made.readers - added,
        "invalid": made.invalid,
        "duplicates": made.duplicates,
        "sendable": made.readers,
        "faults_total": made.invalid + made.duplicates,
    }
    if wrong := {name: report[name] for name, number in expected.items() if report[name] != number}:
        raise BroadsheetError(f"The import reports {wrong} where {expected} is right.")
    records = tuple(now - before for now, before in zip(_records(chosen), known, strict=True))
    if records != (made.readers, made.asked, made.readers + made.asked):
        raise BroadsheetError(
            f"There are {records} records of consent, tracking and details for {made.readers:,} readers."
        )


def _records(chosen: Settings) -> tuple[int, ...]:
    with filling.connected(chosen) as connection:
        return tuple(connection.execute(_RECORDS).fetchone() or (0, 0, 0))


def _bare_copy(chosen: Settings, file: Path) -> float:
    """Seconds for one COPY of the good rows, committed."""
    begun = time.monotonic()
    with filling.connected(chosen) as connection, file.open("rb") as source:
        connection.execute(_BARE)
        with connection.cursor() as cursor, cursor.copy("COPY bare FROM STDIN (FORMAT csv)") as copy:
            while block := source.read(_BLOCK):
                copy.write(block)
    return time.monotonic() - begun


def _line(one: dict[str, Any]) -> str:
    return (
        f"{one['seconds']:.1f} s ({one['rows_per_second']:,} rows/s), again {one['again_s']:.1f} s; bare COPY {one['bare_copy_s']:.2f} s,"
        f" {one['ratio']:.0f} times it; {one['importer_memory_mib']:.0f} MiB"
    )
