"""A running `up` is never taken for none, whatever moment of its beginning it is asked about."""

import fcntl
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service import announcing
from service.announcing import announced, running_up
from service.errors import BroadsheetError

PORTS = {"port": 8000, "sandbox_port": 8001}


@contextmanager
def held(home: Path, how: int = fcntl.LOCK_EX) -> Iterator[Path]:
    """The lock of an `up`, and its notice, which is not written yet."""
    (home / "run").mkdir(exist_ok=True)
    with (home / "run" / "up.lock").open("w") as file:
        fcntl.flock(file, how)
        yield home / "run" / "up.json"


@pytest.mark.parametrize("half", [None, "", '{"port": 80', '{"port": 8000}', "[]"])
def test_a_notice_that_is_being_written_is_waited_for(tmp_path: Path, half: str | None) -> None:
    with held(tmp_path) as notice:
        if half is not None:
            notice.write_text(half)
        writing = threading.Timer(0.2, lambda: notice.write_text(json.dumps(PORTS)))
        writing.start()
        assert running_up(tmp_path) == PORTS
        writing.join()


def test_an_up_that_does_not_say_where_it_is_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "PATIENCE", 0.1)
    with held(tmp_path) as notice:
        notice.write_text("{")
        with pytest.raises(BroadsheetError, match=r"is running for .*Stop it and start it again"):
            running_up(tmp_path)
    assert running_up(tmp_path) is None


def test_what_an_up_before_has_left_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    notice = tmp_path / "run" / "up.json"
    notice.write_text(json.dumps({"port": 1, "sandbox_port": 2}))
    assert running_up(tmp_path) is None
    with announced(tmp_path, PORTS):
        assert running_up(tmp_path) == PORTS
        with pytest.raises(BroadsheetError, match="already"), announced(tmp_path, PORTS):
            pass
        assert running_up(tmp_path) == PORTS, "who was refused takes nothing away"
        assert [path.name for path in (tmp_path / "run").glob(".*")] == []
    assert not notice.exists()


def test_the_notice_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    stop, seen = threading.Event(), []

    def watch() -> None:
        while not stop.is_set():
            try:
                seen.append((tmp_path / "run" / "up.json").read_text())
            except OSError:
                continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(200):
        with announced(tmp_path, PORTS):
            pass
    stop.set()
    watcher.join()
    assert set(seen) <= {json.dumps(PORTS)}


def test_who_asks_does_not_keep_an_up_from_starting(tmp_path: Path) -> None:
    release = threading.Event()

    def ask() -> None:
        with held(tmp_path, fcntl.LOCK_SH):
            release.wait(5)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.05)
    threading.Timer(0.1, release.set).start()
    with announced(tmp_path, PORTS):
        pass
    asking.join()
