"""Draws how something grows as an SVG: a panel for each unit, both axes logarithmic, every line named where it ends. Readable on light
and dark pages, and without colours. Draws nothing that does not grow from more than nothing."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 530, 340
LEFT, RIGHT, TOP, BOTTOM = 66, 190, 42, 52
_APART = 15
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "4 2", "1 4")
_STYLE = """
    text { font: 12px system-ui, sans-serif; fill: #24292f; }
    .title { font-weight: 600; font-size: 14px; }
    .grid { stroke: #d0d7de; stroke-width: 1; }
    .line { fill: none; stroke-width: 2; }
    .c0 { stroke: #0550ae; } .c1 { stroke: #bc4c00; } .c2 { stroke: #1a7f37; } .c3 { stroke: #8250df; } .c4 { stroke: #a40e26; } .c5 { stroke: #57606a; }
    .dot { stroke-width: 2; fill: #ffffff; }
    .page { fill: #ffffff; }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3; }
        .grid { stroke: #30363d; }
        .c0 { stroke: #79c0ff; } .c1 { stroke: #ffa657; } .c2 { stroke: #7ee787; } .c3 { stroke: #d2a8ff; } .c4 { stroke: #ff9492; } .c5 { stroke: #8b949e; }
        .dot, .page { fill: #0d1117; }
    }
"""


@dataclass(frozen=True)
class Line:
    """What was measured at each size: (size, value), all above nothing."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Lines of one unit. `across` and `up` name the axes."""

    title: str
    across: str
    up: str
    lines: Sequence[Line]


def draw(panels: Sequence[Panel], *, title: str) -> str:
    """The panels beside each other."""
    width = WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{HEIGHT}"/>',
    ]
    for place, panel in enumerate(panels):
        parts += [f'<g transform="translate({place * WIDTH} 0)">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True)
class _Axis:
    """From a decade to a decade, laid out between two places."""

    first: int
    last: int
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[int]:
        return list(range(self.first, self.last + 1))


def _axis(values: Sequence[float], start: float, end: float) -> _Axis:
    first = math.floor(math.log10(min(values)))
    return _Axis(first, max(first + 1, math.ceil(math.log10(max(values)))), start, end)


def _panel(panel: Panel) -> Iterator[str]:
    points = [point for line in panel.lines for point in line.points]
    across = _axis([size for size, _ in points], LEFT, WIDTH - RIGHT)
    up = _axis([value for _, value in points], HEIGHT - BOTTOM, TOP)
    yield f'<text class="title" x="{LEFT}" y="22">{escape(panel.title)}</text>'
    for tick in across.ticks():
        x = across.at(10.0**tick)
        yield f'<line class="grid" x1="{x}" y1="{TOP}" x2="{x}" y2="{HEIGHT - BOTTOM}"/>'
        yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(10.0**tick)}</text>'
    for tick in up.ticks():
        y = up.at(10.0**tick)
        yield f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{number(10.0**tick)}</text>'
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(panel.across)}</text>'
    yield f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(panel.up)}</text>'
    yield from _lines(panel.lines, across, up)


def _lines(lines: Sequence[Line], across: _Axis, up: _Axis) -> Iterator[str]:
    below = float("-inf")
    for place, line in sorted(enumerate(lines), key=lambda one: up.at(one[1].points[-1][1])):
        colour, dashes = place % 6, _DASHES[place % len(_DASHES)]
        dots = [(across.at(size), up.at(value)) for size, value in line.points]
        path = " ".join(f"{x},{y}" for x, y in dots)
        yield f'<polyline class="line c{colour}" stroke-dasharray="{dashes}" points="{path}"/>'
        for x, y in dots:
            yield f'<circle class="dot c{colour}" cx="{x}" cy="{y}" r="3.5"/>'
        # Names of lines that end close together stand below each other.
        x, y = dots[-1]
        below = max(y + 4, below + _APART)
        yield f'<text x="{x + 10}" y="{below}">{escape(line.name)}</text>'


def number(value: float) -> str:
    """Short, as on an axis: 0.1, 10, 100k, 1M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
