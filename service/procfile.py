"""Reads a Procfile: one `name: command` a line. Refuses a line it cannot understand and a name that is there twice."""

import re
from pathlib import Path

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


def read_procfile(path: Path) -> dict[str, str]:
    """Each process's command by its name, in the file's order. Raises ValueError that names the line."""
    commands: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        if found is None:
            raise ValueError(f"{path}, line {number}: write it as `name: command`.")
        name, command = found.groups()
        if name in commands:
            raise ValueError(f"{path}, line {number}: the process {name} is there twice.")
        commands[name] = command
    return commands
