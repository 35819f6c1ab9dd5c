"""Wall clocks that a test sets, by a library that stands between a process and the system's."""

from collections.abc import Mapping
from pathlib import Path

from service.errors import BroadsheetError


class Clocks:
    """Two clocks that can be set: of the product's processes, and of the servers. Raises BroadsheetError without libfaketime."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        if not found:
            raise BroadsheetError("To set clocks, install faketime, or leave out F8.")
        self._library = found[0]
        self._files = {name: folder / f"clock-of-{name}" for name in ("processes", "database")}
        self.set({})

    def environ(self, name: str) -> dict[str, str]:
        """For processes that are to have this clock."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._files[name]),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    def set(self, offsets: Mapping[str, str]) -> None:
        """Set both; right is the one that is not named."""
        for name, file in self._files.items():
            # It is read at every look at the clock: never half of it.
            new = file.with_suffix(".new")
            new.write_text(offsets.get(name, "+0"))
            new.chmod(0o644)
            new.replace(file)
