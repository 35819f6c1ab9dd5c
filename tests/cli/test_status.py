"""Whether all is well, for a person and for a machine."""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from service.announcing import running_up
from tests.cli.commands import Commands
from tests.cli.conftest import processes_of
from tests.conftest import Sandbox


def test_status_tells_that_every_duty_has_succeeded_lately(broadsheet: Commands, up: Sandbox) -> None:
    deadline = time.monotonic() + 60
    found = {}
    while time.monotonic() < deadline:
        found = {one["name"]: one for one in json.loads(broadsheet("status", "--json").out)["duties"]}
        if all(found[name]["seconds_ago"] is not None for name in ("sweep sending", "sweep tracking")):
            break
    assert found["sweep sending"]["seconds_ago"] < 60
    assert found["sweep sending"]["last_error"] is None
    shown = broadsheet("status").err
    assert "ok  sweep sending" in shown
    assert "Nothing runs now" not in shown
    assert up.stats


def test_status_ends_with_one_while_somebody_has_to_look_and_names_its_home(
    broadsheet: Commands, up: Sandbox, cli_home: Path
) -> None:
    broadsheet("halt", "--reason", "a wrong link").succeeded()
    try:
        shown = broadsheet("status")
        found = broadsheet("status", "--json")
        assert any("a wrong link" in problem for problem in shown.refused(1))
        assert (found.code, found.json["home"], found.json["database"]) == (1, str(cli_home), "in the home")
        assert "Everything is halted: a wrong link." in found.json["wrong"]
    finally:
        broadsheet("unhalt").succeeded()
    after = broadsheet("status", "--json")
    assert after.code == (1 if after.json["wrong"] else 0)
    assert "Everything is halted: a wrong link." not in after.json["wrong"]
    for command in (("status",), ("epoch", "show")):
        assert broadsheet(*command).err.startswith(f"Home {cli_home}, database in the home\n")
    assert up.stats


def test_replay_says_when_nothing_was_set_aside(broadsheet: Commands, up: Sandbox) -> None:
    assert "Nothing was set aside." in broadsheet("replay").succeeded().err
    assert up.stats


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.long
def test_real_workers_show_that_they_live_and_a_frozen_one_is_missed(cli_home: Path, up: Sandbox) -> None:
    ports = running_up(cli_home)
    assert ports
    web = f"http://127.0.0.1:{ports['port']}"

    def wait_for(status: int, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while True:
            found, text = _get(f"{web}/readyz")
            if found == status:
                return text
            assert time.monotonic() < deadline, text
            time.sleep(0.5)

    wait_for(200, 90)
    for _ in range(40):
        _get(f"{web}/healthz")
    # Two gunicorn workers share the counts, whichever answers.
    told = [
        float(line.split()[-1])
        for line in _get(f"{web}/metrics")[1].splitlines()
        if line.startswith('broadsheet_http_requests_total{endpoint="status.healthz",status="2xx"}')
    ]
    assert told[0] >= 40
    frozen = [pid for pid in processes_of(cli_home) if b"tracking@" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert frozen
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert "no live worker for: tracking" in wait_for(503, 80)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    wait_for(200, 60)
