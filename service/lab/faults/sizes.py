"""The sizes of a machine under fault: one that every run of the tests can afford, the real one, asked for by
BROADSHEET_FAULTS=long, and one for runs by the hundred, in which every wait is shortened."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """`hurry`: leases and bells that a fault left behind are aged by SQL; else they are waited out. `pace`: what every wait of the
    product is multiplied by; None for the product as it is, without points to kill it at."""

    readers: int
    batch_size: int
    workers: int
    latency_ms: int
    kills: int
    frozen_seconds: float
    patience: float
    hurry: bool
    pace: float | None = None


SHORT = Size(1500, 50, 3, 150, kills=1, frozen_seconds=8, patience=90, hurry=True)
LONG = Size(20_000, 200, 4, 400, kills=4, frozen_seconds=20, patience=600, hurry=False)
PACE = 1 / 20
"""A lease of 90 s ends after 4.5 s, a request after 1.5 s."""


def chosen() -> Size:
    """For the tests."""
    return LONG if os.environ.get("BROADSHEET_FAULTS") == "long" else SHORT


def paced(readers: int) -> Size:
    """For one of many runs: some sixteen batches, every wait shortened."""
    return Size(readers, max(1, readers // 16), 3, 80, 1, 75 * PACE, 120, hurry=False, pace=PACE)
