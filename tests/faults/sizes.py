"""The two sizes of the faults suite: one that every run can afford, and the real one, asked for by BROADSHEET_FAULTS=long."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """`hurry`: leases and bells that a fault left behind are aged by SQL; else the test waits them out."""

    readers: int
    batch_size: int
    workers: int
    latency_ms: int
    kills: int
    frozen_seconds: float
    patience: float
    hurry: bool


SHORT = Size(1500, 50, 3, 150, kills=1, frozen_seconds=8, patience=90, hurry=True)
LONG = Size(20_000, 200, 4, 400, kills=4, frozen_seconds=20, patience=600, hurry=False)


def chosen() -> Size:
    return LONG if os.environ.get("BROADSHEET_FAULTS") == "long" else SHORT
