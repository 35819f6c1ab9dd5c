"""Runs the command as a person does: a process of its own with its arguments, environment, output and exit code."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.settings import ROOT
from service.variables import VARIABLES

# Importing everything takes a second or two; a fork of a process that has done so is as much a process of its own.
FORK = """
import json, os, sys, traceback
from service.cli.main import main
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(asked["environ"])
        for number, path in enumerate(asked["files"]):
            os.dup2(os.open(path, os.O_RDWR), number)
        if asked["uid"]:
            os.setgroups([])
            os.setgid(asked["uid"])
            os.setuid(asked["uid"])
        sys.argv = ["broadsheet", *asked["arguments"]]
        code = 0
        try:
            main()
        except SystemExit as ending:
            code = ending.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # taking all modules down would cost a third of a second
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
# Neither the settings of who runs the tests nor CI's idea of a terminal's width.
OWN = {name for variable in VARIABLES for name in (variable.name, f"{variable.name}_FILE")} | {"COLUMNS", "FORCE_COLOR"}


def environment(**settings: object) -> dict[str, str]:
    """This process's environment with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if name not in OWN}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | {n: str(v) for n, v in settings.items()}


def command_line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "service.cli", *map(str, arguments)]


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def problems(self) -> list[str]:
        """The lines that tell a person what is wrong."""
        return [line.removeprefix("✗ ") for line in self.err.splitlines() if line.startswith("✗ ")]

    @property
    def json(self) -> Any:
        """What stands on stdout, which must be one JSON object and nothing beside it."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert self.out.count("\n") == 1
        return found

    def succeeded(self) -> "Ended":
        assert self.code == 0, (self.out, self.err)
        return self

    def refused(self, code: int = 2) -> list[str]:
        """The problems of a command that ended with this code, and without a traceback."""
        assert self.code == code, (self.out, self.err)
        assert "Traceback" not in self.err
        return self.problems


class Commands:
    """Commands in one home; `environ` holds for all of them unless a call says otherwise."""

    def __init__(self, **environ: object) -> None:
        self.environ = environ
        self._fork: subprocess.Popen[str] | None = None

    def __call__(self, *arguments: object, uid: int = 0, **environ: Any) -> Ended:
        return self.run([str(one) for one in arguments], environment(**{**self.environ, **environ}), uid)

    def run(self, arguments: Sequence[str], environ: dict[str, str], uid: int = 0) -> Ended:
        process = self._started()
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            asked = {"arguments": arguments, "environ": environ, "files": [os.devnull, out.name, err.name], "uid": uid}
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            code = int(process.stdout.readline())
            return Ended(code, Path(out.name).read_text(), Path(err.name).read_text())

    def _started(self) -> subprocess.Popen[str]:
        if self._fork is None:
            self._fork = subprocess.Popen(
                [sys.executable, "-c", FORK],
                env=environment(),
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        return self._fork

    def end(self) -> None:
        """End the process that is forked, and whatever a command that hangs has left."""
        if self._fork is not None:
            os.killpg(self._fork.pid, signal.SIGKILL)
            self._fork.wait()
