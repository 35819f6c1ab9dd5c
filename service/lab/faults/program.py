"""Runs `celery` or `gunicorn` with what the fault suite put into the product, and `up` so that it starts these.

python -m service.lab.faults.program celery --app tasks worker …
"""

import os
import runpy
import select
import sys
import time
from pathlib import Path
from typing import SupportsIndex

from service import running
from service.lab.faults import careless, pace, points
from service.procfile import read_procfile

POINTS = "BROADSHEET_LAB_POINTS"
"""The folder of points that are armed."""
PACE = "BROADSHEET_LAB_PACE"
"""What every wait is multiplied by."""
WITHOUT = "BROADSHEET_LAB_WITHOUT"
"""Names of guards that are taken away, with commas between."""
PREFIX = "BROADSHEET_LAB_PREFIX"
"""Variables before each of the commands."""
HURT = ("celery", "gunicorn")


def main(arguments: list[str]) -> None:
    """Run the module that the first argument names, with the rest."""
    environ = os.environ
    if environ.get(PACE):
        pace.multiply(float(environ[PACE]))
    if "FAKETIME_TIMESTAMP_FILE" in environ:
        # The library refuses, now and then, a sleep that ends at a moment of the monotonic clock, as Python's does.
        time.sleep = _asleep
    if environ.get(POINTS):
        points.install(Path(environ[POINTS]), web=arguments[0] == "gunicorn")
    for guard in filter(None, environ.get(WITHOUT, "").split(",")):
        careless.GUARDS[guard]()
    if arguments[0] == "service.cli":
        running.read_procfile = _hurt_procfile  # type: ignore[attr-defined]
    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _asleep(seconds: SupportsIndex | float, /) -> None:
    select.select([], [], [], float(seconds))


def _hurt_procfile(path: Path) -> dict[str, str]:
    """The product's own commands, each by this program."""
    found = read_procfile(path)
    return {
        name: f"{os.environ.get(PREFIX, '')} python -m {__spec__.name} {command}".strip()
        if command.split()[0] in HURT
        else command
        for name, command in found.items()
    }


if __name__ == "__main__":
    main(sys.argv[1:])
