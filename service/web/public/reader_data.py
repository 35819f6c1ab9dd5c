"""What is kept of the reader, to look through and to take along: as JSON for programs, as a table for people."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response

from service.operations import reader_data
from service.web import sessions
from service.web.frame import gettext, page

blueprint = Blueprint("reader_data", __name__)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


@blueprint.get("/preferences/data")
def show() -> Response:
    """What the two files hold, and who else gets the data."""
    session = sessions.required()
    found = reader_data.collect(session.subscriber_id)
    recipients = [tuple(gettext(text) for text in one.values()) for one in found.pop("who_else_gets_the_data")]
    counts = [(name, len(rows)) for name, rows in found.items() if isinstance(rows, list)]
    return page("public/data.html", counts=counts, recipients=recipients)


@blueprint.get("/preferences/data.json")
def as_json() -> Response:
    """Everything, for programs."""
    session = sessions.required()
    text = json.dumps(reader_data.collect(session.subscriber_id), ensure_ascii=False, indent=1)
    return _file(text.encode(), "application/json", "my-data.json")


@blueprint.get("/preferences/data.csv")
def as_csv() -> Response:
    """Everything, a value a row, for a spreadsheet."""
    session = sessions.required()
    out = io.StringIO()
    table = csv.writer(out, quoting=csv.QUOTE_ALL)
    table.writerow(("part", "entry", "field", "value"))
    for row in flatten(reader_data.collect(session.subscriber_id)):
        table.writerow([defused(cell) for cell in row])
    # The mark at the beginning tells spreadsheets that this is UTF-8.
    return _file(b"\xef\xbb\xbf" + out.getvalue().encode(), "text/csv", "my-data.csv")


def defused(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def flatten(found: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Part, number of the entry in it, field, value."""
    for part, rows in found.items():
        for number, row in enumerate(rows if isinstance(rows, list) else [{"": rows}], start=1):
            for name, value in row.items():
                yield part, str(number), name, _cell(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _file(body: bytes, kind: str, name: str) -> Response:
    response = Response(body, mimetype=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
