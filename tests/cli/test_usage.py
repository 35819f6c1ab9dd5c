"""What holds for every command: help with an example, exit codes, and one JSON object on stdout."""

import subprocess
from collections.abc import Iterator

import click
import pytest

from service.cli import main  # noqa: F401 - registers the commands
from service.cli.groups import root
from tests.cli.commands import Commands, command_line, environment


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, one in group.commands.items():
        if isinstance(one, click.Group):
            yield from _commands(one, (*path, name))
        else:
            yield (*path, name), one


ALL = dict(_commands(root))
WITH_JSON = [path for path, one in ALL.items() if any("--json" in option.opts for option in one.params)]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_help_of_a_command_ends_with_an_example_of_it(broadsheet: Commands, path: tuple[str, ...]) -> None:
    shown = broadsheet(*path, "--help").succeeded().out.rstrip().splitlines()
    assert shown[-2] == "  Example:"
    assert shown[-1].startswith(f"    broadsheet {' '.join(path)} ") or shown[-1] == f"    broadsheet {' '.join(path)}"


def test_the_text_of_a_help_is_not_shifted(broadsheet: Commands) -> None:
    for path in (("send",), ("subscribers", "import")):
        lines = broadsheet(*path, "--help").succeeded().out.split("Options:")[0].splitlines()
        prose = [line for line in lines if line.strip() and not line.strip().startswith(tuple(_columns()))]
        assert all(line.startswith(("  ", "Usage")) and not line.startswith("   ") for line in prose), prose


def _columns() -> list[str]:
    return ["email:", "first_name:", "last_name:", "language:", "tracking:"]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_an_unknown_option_is_a_fault_of_usage(broadsheet: Commands, path: tuple[str, ...]) -> None:
    ended = broadsheet(*path, "--no-such-option")
    assert ended.code == 2
    assert ended.out == ""
    assert "--no-such-option" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("path", WITH_JSON, ids=" ".join)
def test_with_json_a_fault_of_usage_is_one_object_too(broadsheet: Commands, path: tuple[str, ...]) -> None:
    ended = broadsheet(*path, "--json", "--no-such-option")
    assert ended.code == 2
    assert "--no-such-option" in ended.json["error"]


def test_with_json_a_bad_setting_is_one_object_too(broadsheet: Commands) -> None:
    ended = broadsheet("issue", "list", "--json", PORT="eighty", LOG_LEVEL="loud")
    assert ended.code == 2
    assert [problem.split()[0] for problem in ended.json["problems"]] == ["PORT", "LOG_LEVEL"]
    assert ended.problems == ended.json["problems"]


def test_with_json_a_failure_is_one_object_too(broadsheet: Commands, up: object) -> None:
    ended = broadsheet("issue", "show", "999999", "--json")
    assert ended.refused(code=1) == ["There is no issue 999999."]
    assert ended.json == {"error": "There is no issue 999999.", "problems": ["There is no issue 999999."]}


def test_no_command_and_an_unknown_one_are_faults_of_usage(broadsheet: Commands) -> None:
    assert broadsheet("isue").code == 2
    nothing = broadsheet()
    assert nothing.code == 2
    assert "Commands:" in nothing.err


def test_the_module_is_the_command() -> None:
    ended = subprocess.run(command_line("--help"), env=environment(), capture_output=True, text=True, cwd="/")
    assert ended.returncode == 0
    assert "broadsheet up" in ended.stdout
