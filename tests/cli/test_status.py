"""Whether all is well, for a person and for a machine."""

import json
import time

from tests.cli.commands import Commands
from tests.conftest import Sandbox


def test_status_tells_that_every_duty_has_succeeded_lately(broadsheet: Commands, up: Sandbox) -> None:
    deadline = time.monotonic() + 60
    found = {}
    while time.monotonic() < deadline:
        found = {one["name"]: one for one in json.loads(broadsheet("status", "--json").succeeded().out)["duties"]}
        if all(found[name]["seconds_ago"] is not None for name in ("sweep sending", "sweep tracking")):
            break
    assert found["sweep sending"]["seconds_ago"] < 60
    assert found["sweep sending"]["last_error"] is None
    shown = broadsheet("status").succeeded()
    assert "ok  sweep sending" in shown.err
    assert up.stats


def test_replay_says_when_nothing_was_set_aside(broadsheet: Commands, up: Sandbox) -> None:
    assert "Nothing was set aside." in broadsheet("replay").succeeded().err
    assert up.stats
