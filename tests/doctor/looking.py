"""Looks at a set-up that is broken in one way, and says what the doctor found there."""

from dataclasses import replace
from typing import Any

from service.operations import diagnosing
from service.operations.diagnosing import Finding, Surroundings
from service.settings import Settings

PATIENCE = 30.0
"""Seconds: a machine that runs other tests is slow, and only one test is about being late."""


def around(chosen: Settings, **changed: Any) -> Surroundings:
    """What is looked at where these settings are changed."""
    return Surroundings(replace(chosen, **changed))


def looked(name: str, where: Surroundings, seconds: float = PATIENCE) -> list[Finding]:
    """What is said of one thing, after what it needs was looked at."""
    needed = {one.needs for one in diagnosing.CHECKS if one.name == name}
    checks = [one for one in diagnosing.CHECKS if one.name == name or one.name in needed]
    return diagnosing.diagnose(where, seconds=seconds, checks=checks)[name]


def told(findings: list[Finding], level: str, text: str, remedy: str) -> None:
    """One of the findings is of this level, names the fault by these words and its remedy by those."""
    for one in findings:
        if one.level == level and text.lower() in one.text.lower() and remedy.lower() in one.remedy.lower():
            return
    raise AssertionError(f"no {level} says “{text}” and “{remedy}”: {findings}")


def is_well(findings: list[Finding]) -> None:
    """Nothing is broken or doubtful."""
    assert [one for one in findings if one.level != "ok"] == []
    assert findings
