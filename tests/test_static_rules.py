"""Rules that no tool has for us: what SQL is made of, what gets into a page unescaped, and where a link's host comes from."""

import ast
import re
from pathlib import Path

import pytest

from service.settings import ROOT
from tests.sql_in_code import unproven

SOURCES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text())
    for folder in ("service", "tasks")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
TEMPLATES = sorted(
    path
    for folder in ("templates", "service/sandbox/templates")
    for path in (ROOT / folder).rglob("*")
    if path.is_file()
)
WHOLE = {"templates/web/archive/issue.html": "an issue as it was rendered, cleaned and sent"}
"""Templates that put something into a page as it is."""

PASSING = {
    "service/operations/archiving.py": {"_rows": 1},
    "service/operations/carrying_over.py": {"_in_steps": 1},
    "service/operations/digesting.py": {"stream": 1},
    "service/operations/mailing_sweep.py": {"_ring": 2},
    "service/operations/reader_data.py": {"_rows": 1},
    "service/operations/verifying.py": {"stream": 1},
}
"""Functions that hand a statement on: what they are given is looked at where they are called."""

_HANDED_ON = "a statement that is handed on, and looked at where it is handed over"
_COMPILED = "put together by the one compiler of audiences and segments: columns of ours, and values as parameters"
_CONSTANTS = "of a table of constants, each with its select and its change"
_LAB = "of the benchmarks and the fault injection alone"
REVIEWED = {
    "service/db.py": {"execute": (2, _HANDED_ON), "note": (1, _HANDED_ON)},
    "service/embedded/postgresql.py": {
        "_wait_until_it_answers": (
            1,
            "a password of letters and digits that was made here; CREATE ROLE takes no parameter",
        ),
    },
    "service/lab/faults/machine.py": {"sql": (1, _LAB)},
    "service/lab/faults/servers_hurt.py": {"_read_only": (1, _LAB)},
    "service/lab/filling.py": {"_run": (1, _LAB), "_send": (1, _LAB)},
    "service/migrations/runner.py": {"upgrade": (1, "a role that the dialect has quoted")},
    "service/operations/archiving.py": {"_rows": (1, _HANDED_ON)},
    "service/operations/carrying_over.py": {"_in_steps": (1, _HANDED_ON)},
    "service/operations/confirming.py": {"_read": (1, "a lock that the type leaves to two words of ours")},
    "service/operations/digesting.py": {"stream": (2, _HANDED_ON)},
    "service/operations/finding.py": {"_found": (1, "what `_ways` chose: columns of ours, and values as parameters")},
    "service/operations/importing_taking.py": {"take": (1, "chosen by a yes or no")},
    "service/operations/limits.py": {"remaining_wait": (1, "a table that the type leaves to two of ours")},
    "service/operations/mailing_sweep.py": {"_ring": (1, _HANDED_ON)},
    "service/operations/missing.py": {"_first": (1, _COMPILED), "_look": (1, _COMPILED)},
    "service/operations/preflight_readers.py": {"longest_values": (1, _COMPILED), "of_readers": (2, _COMPILED)},
    "service/operations/preparing.py": {"_audience_above_maximum": (1, _COMPILED)},
    "service/operations/preparing_candidates.py": {"freeze": (1, _COMPILED)},
    "service/operations/reader_data.py": {"_rows": (1, _HANDED_ON)},
    "service/operations/retaining.py": {"_count": (1, _CONSTANTS), "_delete": (2, _CONSTANTS)},
    "service/operations/segment_readers.py": {"_rows": (1, _COMPILED), "export": (1, _COMPILED), "tag": (1, _COMPILED)},
    "service/operations/segments.py": {"count": (2, _COMPILED)},
    "service/operations/verifying.py": {
        "_check_moments": (1, "a condition that its two callers write out"),
        "_records": (1, "a condition that its two callers write out"),
    },
    "service/sandbox/store.py": {"copies": (1, "a condition that is there or not; the address is a parameter")},
}
"""SQL of which a machine cannot see that nothing of a person's gets into it, and why it does not. Function → how many
statements, and the reason. Whoever adds to this has looked."""


@pytest.mark.parametrize("name", [name for name in SOURCES if "/migrations/versions/" not in name])
def test_no_sql_is_put_together_from_values(name: str) -> None:
    """Values travel as parameters. Migrations are left out: they are given nothing."""
    reviewed = {function: number for function, (number, _why) in REVIEWED.get(name, {}).items()}
    assert unproven(SOURCES[name], PASSING.get(name, {})) == reviewed


def test_what_was_reviewed_is_there() -> None:
    assert set(REVIEWED) | set(PASSING) <= set(SOURCES)


@pytest.mark.parametrize(
    ("code", "is_fixed"),
    [
        ("tx.execute('SELECT 1')", True),
        ("tx.execute(_FIND)", True),
        ("tx.execute(_FIND.format(only=_ONLY), id=number)", True),
        ("tx.execute(f'SELECT {COLUMNS} FROM x WHERE id = :id', id=number)", True),
        ("tx.execute(_FIND + (' FOR UPDATE' if lock else ''))", True),
        ("for table in _TABLES: tx.execute(f'DELETE FROM {table}')", True),
        ("for table in ('a', 'b'): tx.execute('DELETE FROM ' + table)", True),
        ("c.execute(sql.SQL('DROP TABLE {}').format(sql.Identifier(name)))", True),
        ("tx.execute(f'LIMIT {int(number)}')", True),
        ("tx.execute(f'SELECT {name}')", False),
        ("tx.execute('SELECT ' + name)", False),
        ("tx.execute('SELECT %s' % name)", False),
        ("tx.execute('SELECT {}'.format(name))", False),
        ("tx.execute(_FIND.format(only=name))", False),
        ("tx.execute(name)", False),
        ("statement = f'SELECT {name}'; tx.execute(statement)", False),
        ("statement = 'SELECT 1'; statement += name; tx.execute(statement)", False),
        ("statement = 'SELECT 1' if number else name; tx.execute(statement)", False),
        ("for one in given: tx.execute(f'DELETE FROM {one}')", False),
        ("tx.execute(', '.join(name for name in given))", False),
        ("connection.exec_driver_sql(f'SELECT {name}')", False),
        ("c.executemany(f'INSERT INTO {name} VALUES (1)', rows)", False),
        ("sa.text(f'SELECT {name}')", False),
        ("text(f'SELECT {name}')", False),
        ("c.execute(sql.SQL(name))", False),
        ("[tx.execute(f'SELECT {one}') for one in given]", False),
        ("tx.execute(self.statement)", False),
        ("hand_on(tx, f'SELECT {name}')", False),
    ],
)
def test_the_rule_finds_what_it_is_there_for(code: str, is_fixed: bool) -> None:
    body = code if code.startswith(("for ", "[")) else "\n    ".join(code.split("; "))
    tree = ast.parse(f"from sqlalchemy import text\ndef f(tx, name, given, number, lock):\n    {body}\n")
    assert (unproven(tree, {"hand_on": 1}) == {}) == is_fixed


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_escapes_everything_and_makes_no_address_of_who_asked(path: Path) -> None:
    text = path.read_text(errors="replace")
    if str(path.relative_to(ROOT)) not in WHOLE:
        assert not re.search(r"\|\s*safe\b|autoescape\s+false|\bMarkup\b", text)
    assert not re.search(r"_external|url_root|host_url|request\.(?:host|url)\b", text), (
        "an address is made from PUBLIC_URL"
    )
    if not str(path.relative_to(ROOT)).startswith(("templates/web/", "service/sandbox/")):
        assert not re.search(r"\burl_for\b|\brequest\b\s*[.\[]", text), "a mail is made without a request"


@pytest.mark.parametrize("name", list(SOURCES))
def test_nothing_but_rendering_says_that_text_is_safe_and_no_host_is_believed(name: str) -> None:
    for node in ast.walk(SOURCES[name]):
        if not name.startswith("service/rendering/"):
            found = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            assert found not in ("Markup", "render_template_string", "from_string"), name
        if isinstance(node, ast.keyword) and node.arg == "autoescape":
            assert ast.unparse(node.value) != "False", name
        if isinstance(node, ast.keyword | ast.Constant):
            word = node.arg if isinstance(node, ast.keyword) else node.value
            assert word != "_external", f"{name}: an address is made from PUBLIC_URL"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "request":
            assert node.attr not in ("host", "host_url", "url_root", "base_url", "url"), name


@pytest.mark.parametrize(
    "name", [name for name in SOURCES if not name.startswith(("service/web/", "service/sandbox/"))]
)
def test_mails_and_everything_else_behind_the_pages_know_no_request(name: str) -> None:
    for node in ast.walk(SOURCES[name]):
        if isinstance(node, ast.ImportFrom) and node.module in ("flask", "werkzeug"):
            assert not {alias.name for alias in node.names} & {"url_for", "request", "g", "session"}, name
