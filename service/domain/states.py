"""The states of issues, batches and attempts, and the moves between them. The database refuses every other move."""

from collections.abc import Mapping
from typing import Final

ISSUE: Final[Mapping[str, tuple[str, ...]]] = {
    "draft": ("approved", "scheduled", "held"),
    "approved": ("draft", "scheduled", "held"),
    "scheduled": ("draft", "preparing", "paused", "cancelled", "held"),
    "preparing": ("sending", "scheduled", "paused", "cancelled", "held"),
    "sending": ("sent", "paused", "cancelled", "held"),
    "paused": ("scheduled", "sending", "cancelled", "held"),
    "held": ("draft", "scheduled", "sending", "cancelled"),
    "sent": (),
    "cancelled": (),
}
"""`paused` and `held` are left only by a person, to where the issue was."""

BATCH: Final[Mapping[str, tuple[str, ...]]] = {
    # Nobody is left in it (failed), or it must be smaller (split).
    "pending": ("claimed", "failed", "split", "accepted"),
    "claimed": ("sending", "pending", "failed", "split"),
    "sending": ("accepted", "failed", "unknown", "split", "pending"),
    "unknown": ("accepted", "pending"),
    "accepted": (),
    "failed": (),
    "split": (),
}

ATTEMPT: Final[Mapping[str, tuple[str, ...]]] = {
    "claimed": ("sending", "released"),
    "sending": ("accepted", "rejected", "released", "unknown"),
    "unknown": ("accepted",),
    "accepted": (),
    "rejected": (),
    "released": (),
}

MOVES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {"issues": ISSUE, "batches": BATCH, "attempts": ATTEMPT}
