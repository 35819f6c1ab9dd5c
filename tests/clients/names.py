"""A DNS of a test's own: names and records as they are written down here."""

import time
from collections.abc import Mapping

from service.clients.dns import NoSuchName, Unreachable


class Names:
    """Answers from a table `{(name, kind): records}`; of several lists each is given once, the last for ever. A name in no
    row does not exist; where a row is None nobody answers."""

    def __init__(
        self, table: Mapping[tuple[str, str], list[str] | list[list[str]] | None], *, seconds: float = 0
    ) -> None:
        self._table = table
        self._seconds = seconds
        self.asked: list[tuple[str, str]] = []

    def records(self, name: str, kind: str) -> list[str]:
        time.sleep(self._seconds)
        self.asked.append((name, kind))
        if (name, kind) not in self._table:
            if any(known == name for known, _kind in self._table):
                return []
            raise NoSuchName(name)
        found = self._table[name, kind]
        if found is None:
            raise Unreachable(name)
        lists = [one for one in found if isinstance(one, list)]
        if lists:
            return lists[min(self.asked.count((name, kind)), len(lists)) - 1]
        return [one for one in found if isinstance(one, str)]


LOCAL = Names({("site.test", "A"): ["127.0.0.1"]})
