"""What recurs: how often it is rung for, how long one turn may hold it, and when it is late. The one table that beat, the status, the
home page, the alarms and /readyz go by."""

from dataclasses import dataclass
from datetime import datetime, timedelta

_second, _minute, _hour = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

SEEN_WITHIN = timedelta(seconds=60)
"""A process that was not seen for so long is taken for dead; it shows itself every fifteen seconds."""
GRACE = timedelta(minutes=5)
"""After beat has started, for what was missed while nothing ran."""


@dataclass(frozen=True)
class Duty:
    """`every`: between two rings. `late_after`: without success. `lease`: how long a turn that died keeps others from it; not a
    promise that no two turns overlap, so each must stand that. `rests`: no turn within so long of the last success."""

    every: timedelta
    late_after: timedelta
    lease: timedelta
    rests: timedelta = timedelta()


_LONG = timedelta(seconds=125)
"""A little longer than any task may run (120 s)."""

# Those that ring for work are short and harmless side by side: after a crash they must go on soon.
DUTIES = {
    "sweep sending": Duty(5 * _second, 5 * _minute, 30 * _second),
    "sweep tracking": Duty(15 * _second, 5 * _minute, 30 * _second),
    "sweep mail": Duty(5 * _second, 5 * _minute, 30 * _second),
    "check ledgers": Duty(5 * _minute, 30 * _minute, _LONG),
    "keep partitions": Duty(_hour, 3 * _hour, _LONG),
    "make digest": Duty(5 * _minute, _hour, _LONG),
    # These are rung for often, so that a machine that starts anew every day does them all the same.
    "keep retention": Duty(5 * _minute, 30 * _hour, _LONG, rests=20 * _hour),
    "count issues": Duty(15 * _second, 15 * _minute, _LONG),
    "check surroundings": Duty(15 * _minute, 30 * _hour, _LONG, rests=20 * _hour),
    "watch": Duty(15 * _second, 5 * _minute, 60 * _second),
    # Asks once at most: five times a minute, where SendGrid allows six.
    "look up unknown": Duty(12 * _second, 15 * _minute, 60 * _second),
    "sweep team mails": Duty(10 * _second, 15 * _minute, 30 * _second),
    "mail worker": Duty(60 * _second, 5 * _minute, 30 * _second),
}
OTHER = Duty(_hour, 3 * _hour, _LONG)
"""For a name that is not in the table."""


def is_late(name: str, *, now: datetime, ok_at: datetime | None, since: datetime, rung_since: datetime | None) -> bool:
    """Whether the duty should have succeeded by now. `since`: from when it was to be done, where it never succeeded. `rung_since`:
    when the beat that runs now started; None where none runs."""
    duty = DUTIES.get(name, OTHER)
    if rung_since is not None and now - rung_since < duty.every + GRACE:
        return False
    return now - (ok_at or since) > duty.late_after
