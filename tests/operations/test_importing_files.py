"""Files as they really come: other encodings, delimiters and line ends, broken quotation marks, faulty rows."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.errors import Invalid
from service.operations.importing import ImportReport, import_subscribers
from service.operations.importing_file import MAXIMUM_BYTES
from service.settings import Settings
from tests.builders import a_newsletter

Sql = Callable[..., list[Any]]


class Files:
    """Writes one file and imports it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "readers.csv"
        self.newsletter = a_newsletter()

    def take(self, content: bytes | str, **words: Any) -> ImportReport:
        self.path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.take_path(self.path, **words)

    def take_path(self, path: Path, **words: Any) -> ImportReport:
        return import_subscribers(path, **{"newsletter_id": self.newsletter, "consent": "Sign-up form", **words})

    def refusal(self, content: bytes | str, **words: Any) -> str:
        with pytest.raises(Invalid) as refused:
            self.take(content, **words)
        return str(refused.value)


@pytest.fixture
def files(database: Settings, tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def addresses(sql: Sql) -> Callable[[], list[str]]:
    return lambda: [row[0] for row in sql("SELECT normalised_address FROM subscribers ORDER BY 1")]


@pytest.mark.parametrize(
    "content",
    [
        b"email,first_name\nann@x.test,Ann\n",
        b"email,first_name\r\nann@x.test,Ann",
        b"email,first_name\rann@x.test,Ann\r",
        b"\xef\xbb\xbfemail,first_name\nann@x.test,Ann\n",
        b"email;first_name\nann@x.test;Ann\n",
        b"email\tfirst_name\nann@x.test\tAnn\n",
        b'"E-Mail Address";"Given, Name"\n"ann@x.test";"Ann"\n'.replace(b"Given, Name", b"Given Name"),
        b"\n\n  \nEMAIL,First-Name\n\nann@x.test, Ann \n,\n\n",
        b"email,first_name,\nann@x.test,Ann,\n",
        b'"email","first_name"\n "ann@x.test" \n,"Ann"\n'.replace(b' "ann@x.test" \n,', b' "ann@x.test", '),
    ],
)
def test_a_file_is_read_whatever_its_line_ends_delimiter_and_mark(files: Files, sql: Sql, content: bytes) -> None:
    assert (files.take(content).added, files.take(content).unchanged) == (1, 1)
    assert sql("SELECT normalised_address, first_name, attributes FROM subscribers") == [("ann@x.test", "Ann", {})]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-8", "UTF8", "utf-8-sig"])
def test_an_encoding_that_is_named_is_used(files: Files, sql: Sql, encoding: str) -> None:
    files.take("email,first_name\nann@x.test,Zoë\n".encode(encoding), encoding=encoding)
    assert sql("SELECT first_name FROM subscribers") == [("Zoë",)]


def test_a_delimiter_or_line_break_within_quotation_marks_belongs_to_the_value(files: Files, sql: Sql) -> None:
    report = files.take('email;"note; or not"\nann@x.test;"a; b\r\n""c"""\nbob@x.test;d\nbad;e\n')
    assert (report.added, report.invalid) == (2, 1)
    assert sql("SELECT attributes FROM subscribers ORDER BY id") == [
        ({"note_or_not": 'a; b "c"'},),
        ({"note_or_not": "d"},),
    ]
    assert report.faults[0].line == 5


def test_names_are_kept_in_one_unicode_form(files: Files, sql: Sql) -> None:
    files.take("电子邮件,姓,名\nann@x.test,王,Zoe\u0308\n")
    assert sql("SELECT last_name, first_name FROM subscribers") == [("王", "Zoë")]


def test_a_missing_file_a_directory_and_a_device_are_told_apart(files: Files, tmp_path: Path) -> None:
    for path, advice in (
        (tmp_path / "none.csv", "There is no file"),
        (tmp_path, "is a directory"),
        (Path("/dev/null"), "no regular file"),
        (Path("a\0b"), "NUL"),
    ):
        with pytest.raises(Invalid, match=advice):
            files.take_path(path)


def test_a_file_without_permission_says_so(files: Files) -> None:
    files.path.write_text("email\nann@x.test\n")
    files.path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        with pytest.raises(Invalid, match="may not be read"):
            files.take_path(files.path)
    finally:
        os.seteuid(user)


def test_a_file_above_the_limit_is_refused_unread(files: Files) -> None:
    with files.path.open("wb") as file:
        file.truncate(MAXIMUM_BYTES + 1)
    with pytest.raises(Invalid, match="Split it"):
        files.take_path(files.path)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\r\n  \n"])
def test_an_empty_file_is_refused(files: Files, content: bytes) -> None:
    assert "is empty" in files.refusal(content)


def test_bytes_that_are_no_utf8_are_refused_by_place_and_never_guessed(files: Files, sql: Sql) -> None:
    refusal = files.refusal("email,first_name\nann@x.test,Zoë\n".encode("cp1252"))
    assert "not UTF-8" in refusal
    assert "byte 30 (line 2)" in refusal
    assert "--encoding cp1252" in refusal
    assert sql("SELECT count(*) FROM imports") == [(0,)]


def test_the_place_of_a_bad_byte_is_right_far_into_the_file(files: Files) -> None:
    good = b"email,first_name\n" + "ann@x.test,Zoë\n".encode() * 100_000
    assert f"byte {len(good):,} (line 100,002)" in files.refusal(good + b"\xff\n")


def test_an_encoding_that_does_not_fit_or_does_not_exist_is_refused(files: Files) -> None:
    text = "email\nann@x.test\n"
    for name in ("klingon", "base64", "rot13", "idna", "a\0b"):
        assert "no encoding of text" in files.refusal(text, encoding=name)
    assert "is not ascii" in files.refusal("email,first_name\nann@x.test,Zoë\n", encoding="ascii")
    assert "not UTF-8" in files.refusal(text.encode("utf-16"))
    for name in ("utf-16", "utf-32"):
        assert "byte-order mark" in files.refusal(text.encode(f"{name}-le"), encoding=name)


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        ("ann@x.test,Ann", "holds an address, not the names"),
        ("name,firm", "No column is called email. Columns found: “name”, “firm”. Also understood: e-mail, mail"),
        ("email,E-Mail", "Columns 1 and 2 (“email”, “E-Mail”) both mean email"),
        ("email,Law Firm,law_firm", "both mean law_firm"),
        ("email,first name,Vorname", "both mean first_name"),
        ("email,公司", "Column 2 (“公司”) needs another name"),
        (f"email,{'a' * 41}", "1 to 40 letters"),
        ("email,leave_url", "needs another name"),
        ("email," + ",".join(f"c{n}" for n in range(100)), "101 columns"),
        ('email,"first', "Line 1, which must name the columns, cannot be read. A quotation mark opens here"),
    ],
)
def test_a_header_that_cannot_be_understood_is_refused_with_advice(files: Files, header: str, advice: str) -> None:
    assert advice in files.refusal(header + "\nann@x.test,Ann\n")


def test_every_problem_of_a_header_is_named_at_once(files: Files) -> None:
    with pytest.raises(Invalid) as refused:
        files.take("email,mail,公司,leave_url\n")
    assert len(refused.value.problems) == 3


@pytest.mark.parametrize("consent", ["", "  \n", "x" * 20_001, "a\0b", "a\udcffb"])
def test_consent_without_evidence_is_refused(files: Files, consent: str) -> None:
    assert "consent text" in files.refusal("email\nann@x.test\n", consent=consent)
    assert "tracking consent text" in files.refusal("email\nann@x.test\n", tracking_consent=consent)


@pytest.mark.parametrize(
    ("row", "advice"),
    [
        ("bad,,,,", "“bad”: The address has no @"),
        (",Ann,,,", "The address is empty"),
        ("ann@y.test,A\x00nn,,,", "first_name holds a control character (U+0000)"),
        ("ann\x00@y.test,Ann,,,", "“ann\\x00@y.test”: The address holds a line break or another invisible"),
        ("ann@y.test,A\x1b[31mnn,,,", "first_name holds a control character (U+001B)"),
        (f"ann@y.test,{'n' * 201},,,", "first_name has 201 characters; at most 200"),
        (f"ann@y.test,,,,{'n' * 10_000}", "firm has 10,000 characters; at most 1,000"),
        (f"ann@y.test,,,,{'n' * 140_000}", "more than 131,072 characters"),
        ("ann@y.test,,english,,", "language is “english”; write a tag"),
        ("ann@y.test,,e n,,", "language is “e n”; write a tag"),
        ("ann@y.test,,,maybe,", "tracking is “maybe”; write yes, no or nothing"),
        ("ann@y.test,Lee, Ann,,,", "6 values, but the first line names 5 columns; put quotation marks"),
        ('ann@y.test,"Ann" Lee,,,', "in the middle of a value"),
    ],
)
def test_a_faulty_row_is_reported_by_its_line_and_the_others_are_taken(
    files: Files, addresses: Callable[[], list[str]], row: str, advice: str
) -> None:
    report = files.take(f"email,first_name,language,tracking,firm\nbob@x.test,Bob\n{row}\ncy@x.test,Cy,de,,\n")
    assert (report.rows, report.added, report.invalid) == (3, 2, 1)
    assert report.faults[0].line == 3
    assert advice in report.faults[0].reason
    assert addresses() == ["bob@x.test", "cy@x.test"]


def test_a_value_under_no_name_is_a_fault_of_its_row(files: Files) -> None:
    report = files.take("email,,firm\nann@x.test,,A\nbob@x.test,lost,B\n")
    assert (report.added, report.invalid) == (1, 1)
    assert "Column 2 has a value here but no name" in report.faults[0].reason


@pytest.mark.parametrize(
    ("rows", "taken"),
    [
        # The mark is never closed: all other rows are taken.
        (['ann@x.test,"Smith', "bob@x.test,Bob", "cy@x.test,Cy"], ["bob@x.test", "cy@x.test"]),
        # The next quoted value seems to close it.
        (['ann@x.test,"Smith', 'bob@x.test,"Jones"', "cy@x.test,Cy"], ["bob@x.test", "cy@x.test"]),
        # Two stray marks look like one value over two lines.
        (['ann@x.test,"Smith', 'bob@x.test,"', "cy@x.test,Cy"], ["cy@x.test"]),
        # Very many rows after it.
        (['ann@x.test,"Smith', *[f"r{n}@x.test,R" for n in range(300)]], [f"r{n}@x.test" for n in range(300)]),
    ],
)
def test_a_stray_quotation_mark_swallows_no_row_silently(
    files: Files, addresses: Callable[[], list[str]], rows: list[str], taken: list[str]
) -> None:
    report = files.take("email,first_name\n" + "\n".join(rows))
    assert report.faults[0].line == 2
    assert "quotation mark" in report.faults[0].reason
    assert addresses() == sorted(taken)


def test_a_line_without_an_end_is_a_fault_and_not_a_burden(files: Files, addresses: Callable[[], list[str]]) -> None:
    report = files.take("email,note\nann@x.test," + "a," * 2_000_000 + "\nbob@x.test,b\n")
    assert (report.added, report.invalid) == (1, 1)
    assert "1,100,000 characters" in report.faults[0].reason
    assert addresses() == ["bob@x.test"]


def test_a_file_that_changes_while_it_is_read_is_not_imported(files: Files, sql: Sql) -> None:
    def append(_rows: int) -> None:
        with files.path.open("a") as file:
            file.write("eve@x.test\n")

    assert "was changed while it was being read" in files.refusal("email\nann@x.test\n", on_progress=append)
    assert sql("SELECT count(*) FROM subscribers") == [(0,)]


def test_a_header_alone_is_an_import_of_nobody(files: Files) -> None:
    report = files.take("email,first_name\n")
    assert (report.rows, report.sendable, report.faults_total) == (0, 0, 0)
