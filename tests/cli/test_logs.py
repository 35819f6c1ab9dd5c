"""What real processes log as JSON can be put together by what it is about: a request, a task, an issue, a batch, an attempt."""

import json
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from service.announcing import running_up
from tests.cli.commands import Commands
from tests.conftest import Sandbox

CREATE = (
    "newsletter",
    "create",
    "logged",
    "--name",
    "Logged",
    "--from",
    "news@sender.example",
    "--postal-address",
    "1",
)


def logged(home: Path, process: str, event: str, **about: object) -> dict[str, Any]:
    """The line of that process that tells of this event; each of its lines that looks like an object is one."""
    deadline = time.monotonic() + 30
    while True:
        lines = (home / "log" / f"{process}.log").read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        for one in found:
            if one["event"] == event and about.items() <= one.items():
                return dict(one)
        assert time.monotonic() < deadline, (event, about, found[-3:])
        time.sleep(0.1)


def test_workers_log_the_task_issue_batch_and_attempt_that_a_line_is_about(
    broadsheet: Commands, up: Sandbox, cli_home: Path, folder: Path
) -> None:
    broadsheet(*CREATE).succeeded()
    broadsheet(
        "subscribers", "import", folder / "people.csv", "--newsletter", "logged", "--consent", "at the fair"
    ).succeeded()
    made = broadsheet("issue", "create", folder / "letter.md", "--newsletter", "logged", "--json").succeeded().json
    issue = made["issue"]["id"]
    broadsheet("issue", "send", issue, "--wait").succeeded()
    prepared = logged(cli_home, "default", "issue prepared", issue=issue)
    assert (prepared["candidates"], prepared["task"]) == (2, "sending.prepare_issue")
    recorded = logged(cli_home, "sending", "batch recorded", issue=issue)
    assert isinstance(recorded["batch"], int)
    assert str(uuid.UUID(recorded["attempt"])) == recorded["attempt"]
    assert (recorded["task"], recorded["answer"], recorded["level"]) == ("sending.send_batch", "accepted", "info")
    assert recorded["task_id"] != prepared["task_id"]
    assert up.stats


def test_the_web_logs_the_request_that_its_answer_names(up: Sandbox, cli_home: Path) -> None:
    ports = running_up(cli_home)
    assert ports
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['port']}/n/what%00ever", timeout=10) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    line = logged(cli_home, "web", "a request held what cannot be read", request=headers["X-Request-ID"])
    assert (line["level"], line["logger"]) == ("warning", "service.web.faults")
    assert line["endpoint"]
    assert up.stats
