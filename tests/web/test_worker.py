"""The web's processes share what comes: none has connections waiting while another has threads that rest."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.settings import ROOT
from tests.conftest import free_port

THREADS = 4
PROCESSES = 2
SLOW = 0.4
APP = f"""
import os, time

def app(environ, start_response):
    time.sleep({SLOW} if environ["PATH_INFO"] == "/slow" else 0)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server of a small application, by our worker."""
    (tmp_path / "slow.py").write_text(APP)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(PROCESSES)]
    command += [
        "--threads",
        str(THREADS),
        "--worker-class",
        "service.web.worker.Worker",
        "--no-control-socket",
        "slow:app",
    ]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as server:
        _until_all_answer(port)
        yield port
        server.terminate()
        assert server.wait(10) == 0


def _ask(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer


def _kept_open(port: int) -> list[http.client.HTTPConnection]:
    """More connections than there are threads, each of which was answered once."""
    opened = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(3 * THREADS * PROCESSES)]
    for connection in opened:
        connection.request("GET", "/")
        assert connection.getresponse().read()
    return opened


def _until_all_answer(port: int) -> None:
    until = time.monotonic() + 20
    seen: set[str] = set()
    while len(seen) < PROCESSES:
        assert time.monotonic() < until, seen
        try:
            seen |= set(_at_once(port, "/slow"))
        except OSError:
            time.sleep(0.1)


def _at_once(port: int, path: str) -> list[str]:
    with ThreadPoolExecutor(THREADS * PROCESSES) as pool:
        return list(pool.map(lambda _: _ask(port, path), range(THREADS * PROCESSES)))


def test_what_one_process_has_no_thread_for_is_answered_by_another(port: int) -> None:
    """As when a proxy opens its connections while one process sleeps: the other must not take them all."""
    pids: set[str] = set()
    while len(pids) < PROCESSES:
        pids |= set(_at_once(port, "/slow"))
    awake, asleep = sorted(int(pid) for pid in pids)
    os.kill(asleep, signal.SIGSTOP)
    waking = threading.Timer(SLOW / 2, os.kill, (asleep, signal.SIGCONT))
    waking.start()
    answers = Counter(_at_once(port, "/slow"))
    waking.join()
    assert answers == {str(awake): THREADS, str(asleep): THREADS}


def test_connections_that_rest_keep_nobody_from_being_taken(port: int) -> None:
    """Browsers keep theirs open; a thread is taken by what is asked alone."""
    resting = _kept_open(port)
    started = time.monotonic()
    assert len(_at_once(port, "/slow")) == THREADS * PROCESSES
    assert time.monotonic() - started < 2 * SLOW
    for connection in resting:
        connection.close()


def test_more_requests_than_threads_are_all_answered(port: int) -> None:
    with ThreadPoolExecutor(40) as pool:
        assert len(list(pool.map(lambda _: _ask(port, "/slow"), range(40)))) == 40


def test_those_that_always_ask_keep_nobody_from_being_taken(port: int) -> None:
    """They were taken while nothing was asked, more than there are threads, and from now on each asks again as soon as it is answered."""
    asking = _kept_open(port)
    enough = threading.Event()

    def ask_again(connection: http.client.HTTPConnection) -> None:
        while not enough.is_set():
            connection.request("GET", "/slow")
            assert connection.getresponse().read()

    with ThreadPoolExecutor(len(asking)) as pool:
        others = [pool.submit(ask_again, connection) for connection in asking]
        time.sleep(2 * SLOW)
        started = time.monotonic()
        try:
            assert _ask(port, "/")
            took = time.monotonic() - started
        finally:
            enough.set()
        for one in others:
            one.result(10)
    assert took < 8 * SLOW, "it waits for its turn, and not for the end of them all"
