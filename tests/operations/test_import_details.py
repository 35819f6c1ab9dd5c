"""Taking an import back gives readers the details they had, unless somebody changed them again since."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.operations import importing, importing_undo, reader_pages, uploading
from service.operations.importing_undo import Undone
from service.settings import Settings
from tests.builders import a_newsletter

Sql = Callable[..., list[Any]]
CONSENT = "Seminar form, March 2026"
BEFORE = "email,first_name,last_name,language,office,floor\nmei@readers.example,Mei,Wang,en,Berlin,1\nbo@readers.example,Bo,Li,de,Paris,2\n"
AFTER = (
    "email,first_name,last_name,language,office,desk\nMei@readers.example,May,Wang,zh-Hans,London,7\n"
    "bo@readers.example,Bob,Lee,,Rome,8\nnew@readers.example,New,One,,Oslo,9\n"
)
DETAILS = "SELECT address, first_name, last_name, language, attributes FROM subscribers ORDER BY normalised_address"
MEI = ("mei@readers.example", "Mei", "Wang", "en", {"office": "Berlin", "floor": "1"})
BO = ("bo@readers.example", "Bo", "Li", "de", {"office": "Paris", "floor": "2"})


@pytest.fixture
def take(database: Settings, tmp_path: Path) -> Callable[[str], int]:
    """Import rows over what is known, and say the import's number."""
    newsletter = a_newsletter()

    def taken(rows: str) -> int:
        path = tmp_path / "rows.csv"
        path.write_text(rows)
        return importing.import_subscribers(
            path, newsletter_id=newsletter, consent=CONSENT, update_existing=True
        ).import_id

    return taken


@pytest.fixture
def second(take: Callable[[str], int]) -> int:
    take(BEFORE)
    return take(AFTER)


def test_only_what_the_import_changed_is_kept(second: int, sql: Sql) -> None:
    kept = sql(
        "SELECT was, became FROM import_details d JOIN subscribers s ON s.id = d.subscriber_id ORDER BY normalised_address"
    )
    assert kept == [
        (
            {"first_name": "Bo", "last_name": "Li", "attributes": {"office": "Paris", "desk": None}},
            {"first_name": "Bob", "last_name": "Lee", "attributes": {"office": "Rome", "desk": "8"}},
        ),
        (
            {
                "address": "mei@readers.example",
                "first_name": "Mei",
                "language": "en",
                "attributes": {"office": "Berlin", "desk": None},
            },
            {
                "address": "Mei@readers.example",
                "first_name": "May",
                "language": "zh-Hans",
                "attributes": {"office": "London", "desk": "7"},
            },
        ),
    ]


def test_details_go_back_to_what_they_were(second: int, sql: Sql) -> None:
    found = importing_undo.undo(second, actor="test")
    assert found == Undone(subscriptions=1, subscribers=1, touched=0, sent=0, restored=2)
    assert "2 readers are again known by the details from before." in found.told()
    assert sql(DETAILS) == [BO, MEI]
    assert sql("SELECT count(*) FROM import_details") == [(0,)]


def test_what_was_changed_again_since_stays_and_is_counted(second: int, sql: Sql) -> None:
    (mei,) = sql("SELECT id FROM subscribers WHERE normalised_address = 'mei@readers.example'")[0]
    attributes = {"office": "Madrid", "desk": "7", "floor": "1"}
    reader_pages.change(
        mei, first_name="Meili", last_name="Wang", language="zh-Hans", attributes=attributes, actor="test"
    )
    found = importing_undo.undo(second, actor="test")
    assert (found.restored, found.changed_since) == (2, 1)
    assert sql(DETAILS) == [
        BO,
        ("mei@readers.example", "Meili", "Wang", "en", {"office": "Madrid", "floor": "1"}),
    ]


def test_imports_taken_back_from_the_last_to_the_first_lead_to_the_beginning(
    second: int, take: Callable[[str], int], sql: Sql
) -> None:
    third = take("email,first_name\nmei@readers.example,Third\n")
    importing_undo.undo(third, actor="test")
    importing_undo.undo(second, actor="test")
    assert sql(DETAILS) == [BO, MEI]


def test_an_earlier_import_taken_back_leaves_what_a_later_one_said(
    second: int, take: Callable[[str], int], sql: Sql
) -> None:
    take("email,first_name\nmei@readers.example,Third\n")
    assert importing_undo.undo(second, actor="test").changed_since == 1
    assert sql("SELECT first_name, language FROM subscribers WHERE normalised_address = 'mei@readers.example'") == [
        ("Third", "en")
    ]


def test_what_was_before_is_forgotten_with_the_words_on_rows(second: int, sql: Sql) -> None:
    uploading.forget_old()
    assert sql("SELECT count(*) FROM import_details") == [(2,)]
    sql("UPDATE imports SET created_at = created_at - interval '31 days' WHERE id = %s", second)
    uploading.forget_old()
    assert sql("SELECT count(*) FROM import_details") == [(0,)]
    found = importing_undo.undo(second, actor="test")
    assert (found.restored, found.forgotten) == (0, 2)
    assert "no longer kept" in found.told()
    assert sql("SELECT first_name FROM subscribers ORDER BY 1") == [("Bob",), ("May",)]
