"""The supervisor with real processes: crashes, kills, grandchildren, Ctrl-C."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from service.supervisor import Process, Supervisor, read_procfile

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
# A parent with a child of its own; both write their numbers down.
FAMILY = """
import os, signal, sys, time
stubborn = sys.argv[2:] == ["stubborn"]
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
if child == 0 and not stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(300)
"""
SUPERVISE = """
import signal, sys, threading
from pathlib import Path
# Whoever runs the tests in the background lets them inherit an ignored SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
from service.supervisor import Process, Supervisor
folder = Path(sys.argv[1])
supervisor = Supervisor(
    [Process("family", [sys.executable, str(folder / "family.py"), str(folder / "pids")], {})], log_directory=folder / "log"
)
supervisor.start()
print("started", flush=True)
stop = threading.Event()
try:
    supervisor.run_until(stop)
except KeyboardInterrupt:
    alive = supervisor.pids()
    supervisor.stop(timeout=1)
    print("alive at Ctrl-C:", len(alive), flush=True)
"""


def _wait(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _numbers(folder: Path) -> list[int]:
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture
def family(tmp_path: Path) -> Path:
    (tmp_path / "family.py").write_text(FAMILY)
    return tmp_path


@contextmanager
def _looked_after(supervisor: Supervisor) -> Iterator[None]:
    stop = threading.Event()
    supervisor.start()
    looking = threading.Thread(target=supervisor.run_until, args=(stop,))
    looking.start()
    try:
        yield
    finally:
        stop.set()
        looking.join()
        supervisor.stop(timeout=2)


def test_lines_come_with_the_name_of_their_process_and_are_kept(tmp_path: Path) -> None:
    lines: list[tuple[str, str]] = []
    processes = [
        Process("web", 'GREETING="good day" sh -c \'echo "$GREETING"; sleep 60\'', ENVIRONMENT),
        Process("beat", ["/bin/sh", "-c", "echo tick >&2; sleep 60"], ENVIRONMENT),
    ]
    supervisor = Supervisor(
        processes, log_directory=tmp_path / "log", on_line=lambda name, line: lines.append((name, line))
    )
    with _looked_after(supervisor):
        _wait(lambda: len(lines) == 2)
        assert set(supervisor.pids()) == {"web", "beat"}
    assert sorted(lines) == [("beat", "tick"), ("web", "good day")]
    assert (tmp_path / "log" / "web.log").read_text() == "good day\n"
    assert (tmp_path / "log" / "web.log").stat().st_mode & 0o077 == 0
    assert supervisor.pids() == {}


def test_a_process_that_keeps_ending_is_started_again_after_longer_and_longer_pauses(tmp_path: Path) -> None:
    times = tmp_path / "times"
    lines: list[str] = []
    command = f"date +%s.%N >> {times}; exit 3"
    supervisor = Supervisor(
        [Process("web", command, ENVIRONMENT)],
        log_directory=tmp_path,
        on_line=lambda _, line: lines.append(line),
    )
    with _looked_after(supervisor):
        _wait(lambda: len(lines) >= 3)
    assert lines[:3] == [f"web exited with 3, starting it again in {pause} s" for pause in ("0.5", "1", "2")]
    starts = [float(line) for line in times.read_text().split()]
    first, second = (after - before for before, after in list(pairwise(starts))[:2])
    assert 0.5 <= first < second
    assert second >= 1


def test_a_killed_process_comes_back_without_the_children_it_left(family: Path) -> None:
    command = [sys.executable, str(family / "family.py"), str(family / "pids")]
    supervisor = Supervisor([Process("family", command, ENVIRONMENT)], log_directory=family)
    with _looked_after(supervisor):
        _wait(lambda: len(_numbers(family)) == 2)
        first = _numbers(family)
        os.kill(supervisor.pids()["family"], signal.SIGKILL)
        _wait(lambda: len(_numbers(family)) == 4)
        _wait(lambda: not any(_runs(pid) for pid in first))
        assert all(_runs(pid) for pid in _numbers(family)[2:])
    _wait(lambda: not any(_runs(pid) for pid in _numbers(family)), seconds=2)


def test_stopping_is_quick_and_kills_who_does_not_listen(family: Path) -> None:
    command = [sys.executable, str(family / "family.py"), str(family / "pids"), "stubborn"]
    supervisor = Supervisor([Process("family", command, ENVIRONMENT)], log_directory=family)
    supervisor.start()
    _wait(lambda: len(_numbers(family)) == 2)
    before = time.monotonic()
    supervisor.stop(timeout=0.5)
    assert 0.5 <= time.monotonic() - before < 4
    _wait(lambda: not any(_runs(pid) for pid in _numbers(family)), seconds=1)
    assert "did not end in time" in (family / "family.log").read_text()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_when_the_supervisor_goes_its_processes_and_their_children_go(family: Path, signum: signal.Signals) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(family)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _wait(lambda: len(_numbers(family)) == 2)
    assert len({os.getpgid(pid) for pid in _numbers(family)} - {supervisor.pid}) == 1
    os.killpg(supervisor.pid, signum)
    said, _ = supervisor.communicate(timeout=20)
    _wait(lambda: not any(_runs(pid) for pid in _numbers(family)), seconds=10)
    assert said == ("started\n" if signum == signal.SIGKILL else "started\nalive at Ctrl-C: 1\n")


def test_a_watcher_does_not_outlive_its_process(family: Path) -> None:
    supervisor = Supervisor([Process("short", ["/bin/true"], ENVIRONMENT)], log_directory=family)
    supervisor.start()
    supervisor.stop()

    def watchers() -> list[str]:
        found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        return [line for line in found.splitlines() if "supervisor_child.py" in line and line.endswith("/bin/true")]

    _wait(lambda: not watchers(), seconds=5)


def test_a_command_that_is_not_there_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    supervisor = Supervisor(
        [Process("web", ["/nowhere/at/all"], ENVIRONMENT)],
        log_directory=tmp_path,
        on_line=lambda _, line: lines.append(line),
    )
    with _looked_after(supervisor):
        _wait(lambda: len(lines) >= 2)
    assert lines[0] == "/nowhere/at/all: No such file or directory"


def test_a_log_is_set_aside_when_it_is_full(tmp_path: Path) -> None:
    full = tmp_path / "web.log"
    full.write_bytes(b"x" * (10 * 1024 * 1024))
    supervisor = Supervisor([Process("web", "echo more; sleep 60", ENVIRONMENT)], log_directory=tmp_path)
    supervisor.start()
    _wait((tmp_path / "web.log.1").exists)
    supervisor.stop()
    assert (tmp_path / "web.log.1").read_bytes().endswith(b"more\n")


def test_a_procfile_is_read_in_order_and_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "Procfile"
    path.write_text("# the front\nweb: gunicorn -b :$PORT app\n\nworker-mail: celery -A tasks worker\n")
    assert list(read_procfile(path).items()) == [
        ("web", "gunicorn -b :$PORT app"),
        ("worker-mail", "celery -A tasks worker"),
    ]
    for bad, complaint in (
        ("web\n", "line 1: write it as"),
        ("web: a\nweb: b\n", "line 2: the process web is there twice"),
    ):
        path.write_text(bad)
        with pytest.raises(ValueError, match=complaint):
            read_procfile(path)
