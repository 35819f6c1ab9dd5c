"""Growth compares installations of the same age: what their connections were asked before is not growth."""

import time
from pathlib import Path
from typing import Any

import pytest

from service.lab import bench_growth, bench_send
from service.settings import Settings

SENT = {
    "readers": 1,
    "freeze_s": 1.0,
    "total_s": 2.0,
    "bytes_a_delivery": 1,
    "memory_mib": {"sending": 1, "postgres": 1},
}


@pytest.mark.parametrize(
    ("sizes", "age"), [([500, 1000], 0.0), ([1000, 500, bench_growth.LARGE + 1], bench_growth.AGE)]
)
def test_memory_is_looked_at_after_the_same_time_at_every_size(
    sizes: list[int], age: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float | None] = []

    def run(*_: object, closely_after: float | None = None, **__: object) -> dict[str, Any]:
        asked.append(closely_after)
        return SENT

    monkeypatch.setattr(bench_send, "run", run)
    bench_growth.run(tmp_path, sizes, 1, lambda _: None)
    assert asked == [None, age] * len(sizes)


def test_an_installation_is_filled_and_then_waited_for(database: Settings) -> None:
    begun = time.monotonic()
    assert bench_send.filled(database, 50, 2.0) > 0
    assert time.monotonic() - begun >= 2
