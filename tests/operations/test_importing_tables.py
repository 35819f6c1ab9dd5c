"""Whatever table of cells comes in, every row is accounted for, the good ones are kept, and nothing is taken twice."""

import csv
import io
import itertools
from typing import Any, Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.db import transaction
from service.domain.addresses import AddressError, normalise
from service.operations.importing import import_subscribers
from service.settings import Settings
from tests.builders import a_newsletter
from tests.forms import some

# A line break in a value is tested apart: it must not hold an @, by which a stray quotation mark is known.
ANYTHING = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=30)
GOOD = st.builds("{}@{}.test".format, st.text("aBc", min_size=1, max_size=2), st.sampled_from(["x", "Y", "münchen"]))
CELLS = st.tuples(
    GOOD | ANYTHING | st.just(""),
    ANYTHING | st.just("Two\nlines"),
    st.sampled_from(["", "en", "de-CH", "no language"]) | ANYTHING,
    st.sampled_from(["", "yes", "No", "1", "perhaps"]),
    ANYTHING | st.just("x" * 1_001),
)
TABLES = st.lists(CELLS, max_size=12)
NUMBERS = itertools.count()


def _written(rows: list[tuple[str, ...]], delimiter: str, line_end: str, mark: str) -> bytes:
    text = io.StringIO(newline="")
    # Left to itself, the writer does not quote a line break of another kind than the file's.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if line_end == "\r" else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(("email", "first_name", "language", "tracking", "Free text"))
    writer.writerows(rows)
    return (mark + text.getvalue()).encode()


def _is_good(row: tuple[str, ...]) -> bool:
    """By the rules as a person would put them, not by the code under test."""
    printable = all(character.isprintable() or character == "\n" for cell in row for character in cell)
    return (
        printable
        and row[2] in ("", "en", "de-CH")
        and row[3] != "perhaps"
        and len(row[1]) <= 30
        and len(row[4]) <= 1_000
        and _reader(row) is not None
    )


def _reader(row: tuple[str, ...]) -> str | None:
    try:
        return normalise(row[0]).normalised
    except AddressError:
        return None


def _stored() -> dict[str, Any]:
    with transaction() as tx:
        readers = tx.execute(
            "SELECT s.normalised_address, n.state, n.tracking FROM subscribers s LEFT JOIN subscriptions n ON n.subscriber_id = s.id ORDER BY 1"
        ).all()
        acts = tx.execute("SELECT count(*) FROM consent_records").scalar_one()
        return {"readers": [tuple(row) for row in readers], "acts": acts}


@settings(max_examples=some(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=TABLES,
    delimiter=st.sampled_from([",", ";", "\t"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.sampled_from(["", "\ufeff"]),
    tracking_consent=st.sampled_from([None, "Ticked a second box"]),
)
def test_every_row_is_accounted_for_and_the_same_file_again_adds_nothing(
    database: Settings,
    tmp_path: Any,
    rows: Any,
    delimiter: str,
    line_end: str,
    mark: str,
    tracking_consent: Any,
) -> None:
    path = tmp_path / "readers.csv"
    path.write_bytes(_written(rows, delimiter, line_end, mark))
    newsletter = a_newsletter(f"n-{next(NUMBERS)}")
    words = {"newsletter_id": newsletter, "consent": "Form", "tracking_consent": tracking_consent}
    first = import_subscribers(path, **words)
    taken = first.added + first.updated + first.unchanged
    assert first.rows == taken + first.duplicates + first.invalid + first.suppressed + first.left
    assert first.rows == sum(any(cell.strip() for cell in row) for row in rows)
    assert first.faults_total == len(first.faults) == first.rows - taken
    assert first.sendable == first.added == taken
    with transaction() as tx:
        audience = tx.execute(
            "SELECT s.normalised_address FROM imported_rows i JOIN subscribers s ON s.id = i.subscriber_id WHERE i.import_id = :id",
            id=first.import_id,
        ).scalars()
        assert {_reader(row) for row in rows if _is_good(row)} <= set(audience)
    before = _stored()
    again = import_subscribers(path, **words)
    assert (again.added, again.updated, again.unchanged, again.sendable) == (0, 0, first.added, first.sendable)
    assert (again.faults, again.rows) == (first.faults, first.rows)
    assert _stored() == before
