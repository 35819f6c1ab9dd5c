"""Memory seen from outside."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.lab.memory import Watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is looked at in /proc, which is Linux'")

MUCH_AND_LITTLE_AGAIN = """
import sys, time
sys.stdin.readline()
much = b"x" * (40 << 20)
time.sleep(0.05)
del much
print("done", flush=True)
sys.stdin.readline()
"""


def test_what_postgresql_takes_for_a_moment_is_seen_by_who_looks_closely(tmp_path: Path) -> None:
    called = [f"postgres: of {tmp_path}", "-c", MUCH_AND_LITTLE_AGAIN]
    with subprocess.Popen(
        called, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as taking:
        assert taking.stdin is not None
        assert taking.stdout is not None
        with Watch(tmp_path, every=20, closely=True) as watch:
            while "postgres" not in watch.highest():
                time.sleep(0.01)
            print(file=taking.stdin, flush=True)
            assert taking.stdout.readline() == "done\n"
        print(file=taking.stdin, flush=True)
    assert watch.highest()["postgres"] > 40
