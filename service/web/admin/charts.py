"""Charts as shapes: numbers in, coordinates out, which templates draw as SVG. Every chart stands beside a table of the same numbers.
Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, log10
from typing import Any

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 10, 26
MOST_HOURS = 72


@dataclass(frozen=True)
class Line:
    """One row of numbers over time. `path`: the `d` of an SVG path."""

    name: str
    style: str
    path: str


@dataclass(frozen=True)
class Chart:
    """`ticks`: (height, number) of the left axis; `hours`: (place, moment) below."""

    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, int], ...]
    hours: tuple[tuple[float, datetime], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


def over_time(rows: Sequence[Mapping[str, Any]], named: Mapping[str, tuple[str, str]]) -> Chart | None:
    """Lines over the hours. `rows` have `hour` and a number for each key of `named` (key → name and style); an hour without a row is
    nought. None for fewer than two hours, which are no line."""
    if not rows:
        return None
    first, last = rows[0]["hour"], rows[-1]["hour"]
    hours = min(MOST_HOURS, int((last - first) / timedelta(hours=1)) + 1)
    if hours < 2:
        return None
    by_hour = {row["hour"]: row for row in rows}
    moments = [first + timedelta(hours=n) for n in range(hours)]
    numbers = {key: [int(by_hour.get(at, {}).get(key, 0)) for at in moments] for key in named}
    top = _nice(max(1, *(max(one) for one in numbers.values())))
    room, rise = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(place: int) -> float:
        return round(LEFT + room * place / (hours - 1), 1)

    def y(number: float) -> float:
        return round(HEIGHT - BOTTOM - rise * number / top, 1)

    return Chart(
        lines=tuple(
            Line(name, style, "M" + " L".join(f"{x(place)} {y(number)}" for place, number in enumerate(numbers[key])))
            for key, (name, style) in named.items()
        ),
        ticks=tuple((y(number), number) for number in sorted({0, top // 2, top})),
        hours=tuple((x(place), moments[place]) for place in sorted({0, (hours - 1) // 2, hours - 1})),
    )


def _nice(number: int) -> int:
    """The next round number: 1, 2 or 5 with noughts."""
    size = 10 ** int(log10(number))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= number) if number > 1 else ceil(number)
