"""Tables that leave the service, as CSV or as a workbook. Refuses to let a cell be a formula: a spreadsheet would work it out for
whoever opens the file."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from xlsxwriter import Workbook

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the wide forms of the first: spreadsheets in East Asian languages take them for the same."""
_SHEET_ROWS = 1_048_575
"""Rows below the heading of one sheet (Microsoft, “Excel specifications and limits”)."""
_CELL = 32_767


def cell(value: object) -> object:
    """The value as a cell that no spreadsheet takes for a formula (OWASP, “CSV Injection”)."""
    if isinstance(value, str) and value.startswith(_BEGINS_FORMULA):
        return f"'{value}"
    return value


def csv_lines(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """The table line by line, with the mark that makes spreadsheets read it as UTF-8."""
    yield "\ufeff" + _line(columns)
    for row in rows:
        yield _line(row)


def workbook(columns: Iterable[str], rows: Iterable[Iterable[object]], to: Path) -> None:
    """Write the table as an XLSX file, row by row, whatever its length; a text stays a text, whatever it begins with."""
    heading = list(columns)
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with Workbook(to, options) as book:
        bold = book.add_format({"bold": True})
        sheet, place = None, _SHEET_ROWS
        for row in _with_at_least_a_sheet(rows):
            if sheet is None or place >= _SHEET_ROWS:
                sheet, place = book.add_worksheet(), 0
                sheet.freeze_panes(1, 0)
                for column, name in enumerate(heading):
                    sheet.write_string(0, column, name, bold)
            if row is None:
                continue
            place += 1
            for column, value in enumerate(row):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    sheet.write_number(place, column, value)
                elif value not in (None, ""):
                    sheet.write_string(place, column, str(value)[:_CELL])


def _with_at_least_a_sheet(rows: Iterable[Iterable[object]]) -> Iterator[Iterable[object] | None]:
    yield None
    yield from rows


def _line(values: Iterable[object]) -> str:
    kept = io.StringIO()
    csv.writer(kept).writerow([cell("" if one is None else one) for one in values])
    return kept.getvalue()
