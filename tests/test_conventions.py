"""What a linter cannot hold: names, queues, routes, budgets, and who may commit."""

import ast
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from service import factory, queue
from service.procfile import read_procfile
from service.settings import ROOT, Settings
from service.web.security import POLICY

SOURCES = sorted(p for folder in ("service", "tasks") for p in (ROOT / folder).rglob("*.py"))
PRODUCT = [p for p in SOURCES if "sandbox" not in p.parts and "versions" not in p.parts]
NAMES = [str(p.relative_to(ROOT)) for p in SOURCES]
SAFE = {"GET", "HEAD", "OPTIONS"}

PROTECTED = {
    "subscribing.subscribe": "a form that we sealed; all it can do is ask the address's own mailbox",
    "subscribing.again": "the sealed cookie of the sign-up, which other sites' forms do not send",
    "confirming.confirm": "the signed token in the address",
    "api_signups.subscribe": "a form that we sealed, in JSON, from a site that the newsletter names",
    "leaving.leave": "the signed token in the address",
    "leaving.pause": "the signed token in the address",
    "leaving.tracking": "the signed token in the address",
    "leaving.link": "the signed token in the address; what it asks for goes to the reader's own mailbox",
    "leaving.undo": "the token, and the ticket of the page that was shown after leaving or pausing",
    "leaving.reason": "the token, and the ticket of the page that was shown after leaving",
    "leaving.leave_all": "the token, and the ticket of the page that was shown after leaving",
    "linking.send": "nothing: all it can do is mail a link to the address's own mailbox, and not often",
    "linking.enter": "the signed token in the address, once; and a page of our own",
    "preferences.save": "the session's cookie, and the sealed form of that session",
    "preferences.undo": "the session's cookie, and the sealed form of that session",
    "preferences.close": "the session's cookie, and the sealed form of that session",
    "address.send": "the session's cookie, and the sealed form of that session",
    "address.answer": "the signed token in the address",
    "erasing.erase": "the session's cookie, the sealed form of that session, and a ticked box",
    "webhooks.sendgrid": "SendGrid's signature over the body",
}
"""Every route that changes something, and what it demands before it does."""


def trees() -> list[tuple[str, ast.Module]]:
    return [(name, ast.parse(path.read_text())) for name, path in zip(NAMES, SOURCES, strict=True)]


def test_every_task_name_is_registered_and_routed() -> None:
    names = {value for key, value in vars(queue).items() if key.isupper() and isinstance(value, str)}
    decorated = set()
    for path in (ROOT / "tasks").glob("*.py"):
        decorated |= {
            vars(queue)[found] for found in re.findall(r"@app\.task\(name=queue\.([A-Z_]+)[,)]", path.read_text())
        }
    assert names == decorated == set(queue.ROUTES)


def test_every_queue_has_a_worker_of_its_own() -> None:
    processes = read_procfile(ROOT / "Procfile")
    workers = [re.search(r"--queues (\S+)", command) for command in processes.values() if " worker " in command]
    assert sorted(found[1] for found in workers if found) == sorted(queue.QUEUES)
    assert set(queue.ROUTES.values()) <= set(queue.QUEUES)


def test_tasks_are_one_line_over_an_operation_and_wait_for_nothing() -> None:
    for path in (ROOT / "tasks").glob("*.py"):
        text = path.read_text()
        assert not re.search(r"\b(countdown|eta|chord|retry)\b", text), f"{path.name}: delay is a column, not an eta"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and any("task" in ast.unparse(d) for d in node.decorator_list):
                assert len(node.body) == 1, f"{path.name}: {node.name}"


def test_every_route_that_changes_something_demands_something(database: Settings) -> None:
    app = factory.create_app(database)
    # The team's side asks for a session and its form's seal before any of its pages: tests/web/admin/test_gate.py walks them all.
    # The team's API asks for a key before any of its calls: tests/web/api/test_team_api.py does the same.
    changing = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) - SAFE and not rule.endpoint.startswith(("admin_", "api_team."))
    }
    assert changing == set(PROTECTED)


def test_no_route_changes_by_get_what_another_changes_by_post(database: Settings) -> None:
    app = factory.create_app(database)
    for rule in app.url_map.iter_rules():
        methods = rule.methods or set()
        assert not (methods & {"GET"} and methods - SAFE), f"{rule.endpoint}: one function must not serve both"


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


@pytest.mark.parametrize("name", NAMES)
def test_files_and_functions_stay_within_their_budget(name: str) -> None:
    text = (ROOT / name).read_text()
    if "/versions/" in name:
        return
    assert text.count("\n") <= 400, "a file has at most 400 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 40, f"{node.name} has more than 40 lines"


@pytest.mark.parametrize("name", NAMES)
def test_every_module_says_what_it_is_responsible_for(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{name} has no docstring"


def test_only_the_database_module_commits_and_only_operations_open_transactions() -> None:
    for path in PRODUCT:
        name, text = str(path.relative_to(ROOT)), path.read_text()
        if name != "service/db.py":
            assert ".commit(" not in text, name
        if not name.startswith(("service/operations/", "service/db.py", "service/wiring.py", "service/running.py")):
            assert "with transaction(" not in text, name
            assert "db.transaction(" not in text, name


def test_words_that_the_glossary_refuses_are_not_used_for_names() -> None:
    refused = re.compile(r"(^|_)(campaigns?|contacts?|managers?|handlers?|helpers?|utils?)($|_)", re.IGNORECASE)
    for name, tree in trees():
        assert not refused.search(Path(name).stem), name
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert not refused.search(node.name), f"{name}: {node.name}"


def test_nothing_of_a_reader_travels_in_a_tasks_arguments() -> None:
    """Bells carry ids only."""
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "enqueue":
                for argument in node.args[1:]:
                    assert re.fullmatch(r"(\w+_id|\w+\.id|issue_id|batch_id|payload_id)", ast.unparse(argument)), (
                        f"{name}: {ast.unparse(argument)}"
                    )


def test_every_log_line_names_no_address(caplog: pytest.LogCaptureFixture) -> None:
    """Keyword names that would carry one; the whole run's lines are searched besides."""
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
                words: list[Any] = [keyword.arg for keyword in node.keywords]
                assert not {"address", "email", "token", "key", "to", "reader"} & set(words), (
                    f"{name}: {ast.unparse(node)}"
                )


def test_the_teams_pages_act_as_whoever_is_signed_in() -> None:
    """A plain word in the actor's place would be the shell, which may do everything."""
    for path in sorted((ROOT / "service/web/admin").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "actor":
                assert ast.unparse(node.value) in ("actor()", "gate.actor()", "frame.actor()"), (
                    f"{path.name}:{node.value.lineno}"
                )


@pytest.mark.parametrize("name", ["runtime", "test", "sbom"])
def test_everything_that_is_installed_is_locked_by_its_hash(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements" / f"{name}.txt").read_text().strip())
    pins = [entry for entry in entries if not entry.startswith("#")]
    assert pins
    for pin in pins:
        assert re.match(r"[a-z0-9][a-z0-9.-]*(\[[a-z0-9,-]+\])?==\S", pin), pin
        assert "--hash=sha256:" in pin, pin


def test_vendored_scripts_are_those_that_were_built() -> None:
    folder = ROOT / "service/web/static/vendor"
    told = json.loads((folder / "vendor.json").read_text())
    assert {path.name for path in folder.glob("*.js")} == set(told["files"])
    for name, sha256 in told["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256, name
    wanted = json.loads((ROOT / "service/web/vendoring/package.json").read_text())["dependencies"]
    assert told["versions"] == wanted
