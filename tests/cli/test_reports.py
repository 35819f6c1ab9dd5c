"""What long commands print at their end: it fits the terminal, and its numbers agree."""

import io

from rich.console import Console

from service.cli.demo import _took
from service.cli.fault import LEGEND, table_of
from service.lab.faults import suite


def test_the_table_of_the_fault_suite_fits_into_eighty_columns() -> None:
    runs = [
        {"fault": name, "faults": [], "kills": 1234, "candidates": 1_234_567, "counted": {}, "in_review": 12_345, "recovered": 123.4}
        for name in suite.FAULTS
    ]  # fmt: skip
    rows = suite.table(list(suite.FAULTS), runs)
    out = io.StringIO()
    Console(file=out, width=80).print(table_of(rows))
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + len(rows), "a row is a line"
    assert "…" not in out.getvalue(), "nothing is cut off"
    assert "1,234,567" in lines[1]
    told = [*LEGEND, *(f"{row['fault']:<4} {row['what']}" for row in rows)]
    assert max(map(len, [*lines, *told])) <= 80


def test_the_demo_says_why_fewer_requests_were_taken_than_made() -> None:
    assert _took(22, 21) == "21 of 22 requests (1 throttled, and made again)"
    assert _took(21, 21) == "21 requests"
