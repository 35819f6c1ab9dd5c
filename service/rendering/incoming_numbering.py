"""The numbers that Word draws before paragraphs: it keeps rules and counts on opening, so the text alone has none."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml.etree import _Element as Element

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    )
)
_CHINESE = "〇一二三四五六七八九"
_CHINESE_FORMATS = frozenset(
    ["chineseCounting", "chineseCountingThousand", "ideographDigital", "japaneseCounting", "taiwaneseCounting"]
)
_LEVELS = 9


@dataclass(frozen=True)
class Level:
    """How one level is counted; `text` holds %1 for the first level's count and so on."""

    start: int = 1
    kind: str = "decimal"
    text: str = ""


@dataclass(frozen=True)
class Number:
    """What stands before one paragraph."""

    level: int
    kind: str
    count: int
    label: str
    simple: bool


@dataclass
class _Num:
    abstract: str
    levels: dict[int, Level]
    starts: dict[int, int]
    used: bool = False


@dataclass
class Style:
    """A paragraph style: its name, the one it builds on, and its numbering."""

    name: str
    based_on: str | None
    numbering: tuple[str | None, int | None]


@dataclass
class Numbering:
    """Counts through one document."""

    nums: dict[str, _Num]
    styles: dict[str, Style]
    _counts: dict[str, list[int | None]] = field(default_factory=dict)

    def style_name(self, paragraph: Element) -> str:
        """The name of a paragraph's style, in small letters."""
        found = self.styles.get(_style_id(paragraph) or "")
        return found.name.lower() if found else (_style_id(paragraph) or "").lower()

    def number(self, paragraph: Element) -> Number | None:
        """What Word draws before this paragraph; they must be asked for in order."""
        identity, at = self._rule(paragraph)
        num = self.nums.get(identity or "")
        if num is None:
            return None
        level = num.levels.get(at)
        if level is None or level.kind == "none":
            return None
        if level.kind == "bullet":
            return Number(at, "bullet", 0, "", True)
        counts = self._count(num, at)
        label = level.text
        for upper in range(_LEVELS):
            if f"%{upper + 1}" in label:
                rule = num.levels.get(upper, Level())
                count = counts[upper]
                label = label.replace(f"%{upper + 1}", written(rule.start if count is None else count, rule.kind))
        bare = level.text.replace(f"%{at + 1}", "", 1).strip("().、）（ \u00a0\t")
        return Number(at, level.kind, counts[at] or 0, label.strip(), not bare)

    def _rule(self, paragraph: Element) -> tuple[str | None, int]:
        properties = paragraph.find(f"{W}pPr")
        identity, level = _num_pr(properties)
        style = self.styles.get(_style_id(paragraph) or "")
        for _ in range(20):
            if style is None or (identity is not None and level is not None):
                break
            identity = style.numbering[0] if identity is None else identity
            level = style.numbering[1] if level is None else level
            style = self.styles.get(style.based_on or "")
        return identity, min(level or 0, _LEVELS - 1)

    def _count(self, num: _Num, at: int) -> list[int | None]:
        counts = self._counts.setdefault(num.abstract, [None] * _LEVELS)
        if not num.used:
            num.used = True
            for level, start in num.starts.items():
                counts[level:] = [start - 1, *[None] * (_LEVELS - level - 1)]
        before = counts[at]
        counts[at] = num.levels[at].start if before is None else before + 1
        counts[at + 1 :] = [None] * (_LEVELS - at - 1)
        return counts


def read(numbering: Element | None, styles: Element | None) -> Numbering:
    """The rules of a file."""
    found_styles = dict(_styles(styles)) if styles is not None else {}
    if numbering is None:
        return Numbering({}, found_styles)
    abstracts: dict[str, dict[int, Level]] = {}
    linked: dict[str, str] = {}
    for abstract in numbering.iterchildren(f"{W}abstractNum"):
        identity = abstract.get(f"{W}abstractNumId") or ""
        abstracts[identity] = {at: level for at, level, style in _levels(abstract)}
        for at, _level, style in _levels(abstract):
            if style:
                linked[style] = f"{identity}/{at}"
    nums = {}
    for num in numbering.iterchildren(f"{W}num"):
        abstract_id = _value(num.find(f"{W}abstractNumId")) or ""
        levels, starts = dict(abstracts.get(abstract_id, {})), {}
        for override in num.iterchildren(f"{W}lvlOverride"):
            at = _integer(override.get(f"{W}ilvl"), 0)
            levels |= {at: level for at, level, _style in _levels(override)}
            if (start := override.find(f"{W}startOverride")) is not None and at < _LEVELS:
                starts[at] = _integer(_value(start), 1)
        nums[num.get(f"{W}numId") or ""] = _Num(abstract_id, levels, starts)
    _link(found_styles, nums, linked)
    return Numbering(nums, found_styles)


def _link(styles: dict[str, Style], nums: dict[str, _Num], linked: dict[str, str]) -> None:
    """A level may name its style instead of the style naming the level."""
    for style_id, place in linked.items():
        abstract, _, at = place.partition("/")
        first = next((identity for identity, num in nums.items() if num.abstract == abstract), None)
        style = styles.get(style_id)
        if style is not None and first is not None:
            identity = style.numbering[0] or first
            if nums.get(identity) is not None and nums[identity].abstract == abstract:
                styles[style_id] = Style(style.name, style.based_on, (identity, int(at)))


def written(count: int, kind: str) -> str:
    """A count as its kind of numerals."""
    if kind in ("lowerLetter", "upperLetter"):
        letters = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1) if count > 0 else str(count)
        return letters.upper() if kind == "upperLetter" else letters
    if kind in ("lowerRoman", "upperRoman"):
        roman = _roman(count)
        return roman.upper() if kind == "upperRoman" else roman
    if kind in _CHINESE_FORMATS and 0 < count < 100:
        tens, ones = divmod(count, 10)
        return _chinese(tens, ones)
    return f"{count:02d}" if kind == "decimalZero" else str(count)


def _chinese(tens: int, ones: int) -> str:
    if tens == 0:
        return _CHINESE[ones]
    return ("" if tens == 1 else _CHINESE[tens]) + "十" + (_CHINESE[ones] if ones else "")


def _roman(count: int) -> str:
    if not 0 < count < 4000:
        return str(count)
    out = ""
    for value, letters in _ROMAN:
        while count >= value:
            out, count = out + letters, count - value
    return out


def _levels(parent: Element) -> Iterator[tuple[int, Level, str | None]]:
    for level in parent.iterchildren(f"{W}lvl"):
        at = _integer(level.get(f"{W}ilvl"), 0)
        if at < _LEVELS:
            start = _integer(_value(level.find(f"{W}start")), 1)
            kind = _value(level.find(f"{W}numFmt")) or "decimal"
            text = _value(level.find(f"{W}lvlText")) or ""
            yield at, Level(start, kind, text), _value(level.find(f"{W}pStyle"))


def _styles(styles: Element) -> Iterator[tuple[str, Style]]:
    for style in styles.iterchildren(f"{W}style"):
        if style.get(f"{W}type") in (None, "paragraph"):
            name = _value(style.find(f"{W}name")) or ""
            numbering = _num_pr(style.find(f"{W}pPr"))
            yield style.get(f"{W}styleId") or "", Style(name, _value(style.find(f"{W}basedOn")), numbering)


def _num_pr(properties: Element | None) -> tuple[str | None, int | None]:
    found = properties.find(f"{W}numPr") if properties is not None else None
    if found is None:
        return None, None
    level = _value(found.find(f"{W}ilvl"))
    return _value(found.find(f"{W}numId")), _integer(level, 0) if level is not None else None


def _style_id(paragraph: Element) -> str | None:
    return _value(paragraph.find(f"{W}pPr/{W}pStyle"))


def _value(element: Element | None) -> str | None:
    return element.get(f"{W}val") if element is not None else None


def _integer(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 7 else otherwise
