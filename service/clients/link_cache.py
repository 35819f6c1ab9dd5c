"""Remembers for a day what became of links, in one small file of the home: sites are not asked again at every check."""

import json
import os
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

KEPT = timedelta(days=1)
MOST = 2000


class LinkCache:
    """State and words for each address. A file that cannot be read is an empty one; two writers lose answers, no more."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._found = self._read()

    def get(self, url: str) -> Any:
        """(state, why) of not more than a day ago, or None."""
        found = self._found.get(url)
        if found is None or not 0 <= self._clock() - found[2] <= KEPT.total_seconds():
            return None
        return found[0], found[1]

    def keep(self, answers: Mapping[str, tuple[str, str]]) -> None:
        """Add answers; only the newest stay. Where the file cannot be written nothing is kept."""
        now = self._clock()
        self._found |= {url: (state, why, now) for url, (state, why) in answers.items()}
        newest = sorted(self._found.items(), key=lambda item: -item[1][2])[:MOST]
        self._found = {url: one for url, one in newest if now - one[2] <= KEPT.total_seconds()}
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            beside.write_text(json.dumps(self._found), encoding="utf-8")
            beside.chmod(0o600)
            beside.replace(self._path)
        except OSError:
            beside.unlink(missing_ok=True)

    def _read(self) -> dict[str, tuple[str, str, float]]:
        try:
            stored = json.loads(self._path.read_text("utf-8"))
            return {
                str(url): (str(state), str(why), float(at))
                for url, (state, why, at) in stored.items()
                if state in ("alive", "dead")
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
