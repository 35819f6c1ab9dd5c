"""One number by which every wait of the product is multiplied, so that a lease of ninety seconds can be waited out a thousand
times in an hour. In processes of the fault suite only."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from service import queue, settings, supervisor
from service.domain import duties
from service.operations import bells, breakers, mailing_sweep, preparing, resending, sending, sweeping, tracking
from service.settings import Settings

WAITS = (
    (supervisor, "_FIRST_PAUSE"),
    (supervisor, "_LONGEST_PAUSE"),
    (preparing, "LEASE"),
    (sending, "LEASE"),
    (sending, "GREATEST_AGE"),
    (sending, "RECORD_PAUSES"),
    (bells, "RING_AGAIN"),
    (sweeping, "RING_AGAIN"),
    (sweeping, "REVIEW_AFTER"),
    (tracking, "RING_AGAIN"),
    (mailing_sweep, "RING_AGAIN"),
    (resending, "QUIET"),
    (resending, "FRESH"),
    (breakers, "PROBE_LASTS"),
)
"""What is waited for, as (module, name); the breakers' other waits are in `Settings.pace`, the clock's in beat's schedule."""


def multiply(pace: float) -> None:
    """Make this process, and those that it forks, wait so many times as long."""
    for module, name in WAITS:
        setattr(module, name, _times(getattr(module, name), pace))
    for name, duty in duties.DUTIES.items():
        duties.DUTIES[name] = replace(duty, lease=duty.lease * pace)
    load, make = settings.load, queue.make_celery

    def loaded(*args: Any, **named: Any) -> Settings:
        found = load(*args, **named)
        return replace(found, pace=pace, post_timeout=found.post_timeout * pace)

    def made(chosen: Settings) -> Any:
        app = make(chosen)
        # Beat reads its schedule later; until then nobody has set it.
        app.on_after_finalize.connect(lambda **_: _hurry(app.conf.beat_schedule, pace), weak=False)
        return app

    settings.load = loaded
    queue.make_celery = made  # type: ignore[assignment]


def _hurry(schedule: dict[str, dict[str, Any]], pace: float) -> None:
    for entry in schedule.values():
        entry["schedule"] = max(0.25, entry["schedule"] * pace)


def _times(value: Any, pace: float) -> Any:
    if isinstance(value, tuple):
        return tuple(one * pace for one in value)
    assert isinstance(value, timedelta | float), f"{value!r} is no wait"
    return value * pace
