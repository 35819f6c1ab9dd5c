"""The newest state of the database that this machine has seen, in a file outside it: by that a database is recognised that was put
back to an earlier state. Holds nothing secret and nothing of a reader; never goes back by itself."""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from service.errors import BroadsheetError
from service.settings import current


@dataclass(frozen=True)
class Seen:
    """`installation`: whose file it is; `mark` and `marked_at`: the newest of its marks; `attempt`: the last batch that was armed by
    this machine, and when. All empty: nothing was seen yet."""

    installation: str = ""
    mark: int = 0
    marked_at: str = ""
    attempt: str = ""
    armed_at: str = ""

    def parameters(self) -> dict[str, Any]:
        """For the SQL that compares the database with it."""
        return {"epoch": self.installation, "mark": self.mark, "last_armed": self.attempt or None}


NOTHING = Seen()


def seen() -> Seen:
    """What the file says. Raises BroadsheetError when it is there and cannot be understood: that is not the same as having seen
    nothing."""
    path = current().epoch_file
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return Seen(
            str(known["installation"]),
            int(known["mark"]),
            str(known["marked_at"]),
            str(known["attempt"]),
            str(known["armed_at"]),
        )
    except FileNotFoundError:
        return NOTHING
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BroadsheetError(
            f"{path} cannot be read ({type(error).__name__}), and by it a restored database is recognised: nothing is sent. "
            'Put it back; or delete it and run `broadsheet epoch accept --reason "…"`.'
        ) from None


def parameters() -> dict[str, Any]:
    """For the SQL that compares the database with the file. Raises as `seen` does."""
    return seen().parameters()


def remember(installation: str, mark: int, marked_at: str) -> None:
    """Note a mark, after its commit; an older one, and one of another installation, changes nothing."""
    with _alone():
        known = seen()
        if known.installation == installation and known.mark < mark:
            _write(replace(known, mark=mark, marked_at=marked_at))


def remember_attempt(attempt: str) -> None:
    """Note a batch that was armed, right after its commit and before its request: a database that does not know it is older than
    that request. Of two, the one armed later stays. Raises OSError, and BroadsheetError as `seen` does."""
    armed_at = f"{time.time():.6f}"
    with _alone():
        known = seen()
        if known.armed_at < armed_at:
            _write(replace(known, attempt=attempt, armed_at=armed_at))


def follow(known: Seen, mark: int, marked_at: str, installation: str) -> None:
    """From now on this is the state that was seen, where the file still says what is `known`: that was given up by a person's
    decision on another machine."""
    with _alone():
        if seen() == known:
            _write(Seen(installation, mark, marked_at))


def begin(installation: str, mark: int, marked_at: str) -> None:
    """From now on this is the state that was seen, whatever the file said before: a person's decision, or a new installation."""
    with _alone():
        _write(Seen(installation, mark, marked_at))


@contextmanager
def _alone() -> Iterator[None]:
    """One writer at a time. The folder itself is locked: a lock file would belong to whoever came first."""
    folder = current().epoch_file.parent
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(known: Seen) -> None:
    path = current().epoch_file
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(asdict(known), indent=1) + "\n")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
