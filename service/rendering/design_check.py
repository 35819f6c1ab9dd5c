"""Reads a design's four files and finds everything that would make its mails wrong, each with file and line."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.rendering import design_contrast, design_css, design_layout
from service.rendering.colour import AA, HEX, contrast
from service.rendering.design_colours import GROUNDS, OWN, SCHEMES, Palette
from service.rendering.design_faults import FACTS, FILES, LAYOUT, MAIL, STYLE, Fault, Unfit

__all__ = ["Design", "Fault", "Files", "Unfit", "examine"]

LARGEST = 64 * 1024
"""Bytes a file: a mail has 102 KB in all."""
LARGEST_MAIL = 7 * 1024
"""Gmail drops a sheet of more than 8,192 characters, and rules for Outlook are added to this one."""


@dataclass(frozen=True)
class Files:
    """The text of a design's files."""

    layout: str
    style: str
    mail: str
    facts: str

    @classmethod
    def read(cls, folder: Path) -> "Files":
        """Raises Unfit where one cannot be read."""
        texts: list[str] = []
        faults: list[Fault] = []
        for name in FILES:
            try:
                content = (folder / name).read_bytes()
                if len(content) > LARGEST:
                    faults.append(
                        Fault(name, 1, f"it has {len(content) // 1024} KB; at most {LARGEST // 1024} make sense")
                    )
                texts.append(content.decode("utf-8-sig"))
            except OSError as error:
                faults.append(
                    Fault(name, 1, f"it cannot be read in {folder}: {error.strerror}; a design has {', '.join(FILES)}")
                )
            except UnicodeDecodeError as error:
                line = content[: error.start].count(b"\n") + 1
                faults.append(Fault(name, line, "it is not UTF-8; save it as UTF-8"))
        if faults:
            raise Unfit(faults)
        return cls(*(text.replace("\r\n", "\n") for text in texts))


@dataclass(frozen=True)
class Design:
    """A design that can be used."""

    title: str
    description: str
    layout: str
    style: str
    mail: str
    palettes: Mapping[str, Palette]


def examine(files: Files, *, trusted: bool = False) -> Design:
    """The design that these files are. `trusted`: they were examined before. Raises Unfit with every fault."""
    facts, faults = _facts(files.facts)
    if not trusted:
        style, style_faults = design_css.check(files.style, STYLE)
        mail, mail_faults = design_css.check(files.mail, MAIL)
        faults += [*design_layout.check(files.layout), *_inner_styles(files.layout), *style_faults, *mail_faults]
        if len(files.mail.encode()) > LARGEST_MAIL:
            faults.append(
                Fault(MAIL, 1, f"it has more than {LARGEST_MAIL // 1024} KB, and Gmail drops long sheets; shorten it")
            )
        if not faults:
            found = design_contrast.pairs(files.layout, [(STYLE, style), (MAIL, mail)])
            faults += design_contrast.faults(found, facts)
    if faults:
        raise Unfit(faults)
    named = tomllib.loads(files.facts)
    return Design(named["title"], named["description"], files.layout, files.style, files.mail, facts)


def _inner_styles(layout: str) -> list[Fault]:
    """What is wrong with sheets in the layout itself, where no rule is looked at for its colours."""
    faults: list[Fault] = []
    for css, before in design_layout.styles(layout):
        found: list[Fault] = []
        for rule in design_css.rules(css, LAYOUT, found):
            for one in rule.declarations:
                found += [Fault(LAYOUT, one.line, text) for text in design_css.complaints(one)]
        faults += [Fault(LAYOUT, one.line + before, one.text) for one in found]
    return faults


def _facts(text: str) -> tuple[dict[str, Palette], list[Fault]]:
    """The colours for each scheme."""
    try:
        facts = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        where = int(line[1]) if line else text.rstrip().count("\n") + 1
        return {}, [Fault(FACTS, where, f"it is no TOML: {error}; mend it")]
    faults = [
        Fault(FACTS, _line(text, name), f'{name} must be a text; write {name} = "…"')
        for name in ("title", "description")
        if not isinstance(facts.get(name), str) or not facts[name].strip()
    ]
    for name in facts.keys() - {"title", "description", *SCHEMES}:
        faults.append(
            Fault(FACTS, _line(text, name), f"{name} is not known; there are title, description, [light] and [dark]")
        )
    palettes: dict[str, Palette] = {}
    for scheme in SCHEMES:
        given = facts.get(scheme)
        if isinstance(given, dict):
            faults += _palette_faults(text, scheme, given)
            palettes[scheme] = given
        else:
            faults.append(
                Fault(FACTS, text.rstrip().count("\n") + 1, f"[{scheme}] is missing; it gives {', '.join(OWN)}")
            )
    return palettes, faults


def _palette_faults(text: str, scheme: str, given: Mapping[str, object]) -> list[Fault]:
    faults = []
    for name in given.keys() - set(OWN):
        faults.append(
            Fault(FACTS, _line(text, name, scheme), f"{name} is not known; [{scheme}] gives {', '.join(OWN)}")
        )
    for name in OWN:
        if not HEX.fullmatch(str(given.get(name, ""))):
            faults.append(
                Fault(
                    FACTS, _line(text, name, scheme), f"{name} in [{scheme}] must be # and six digits, such as #1f3a5f"
                )
            )
    if faults:
        return faults
    colours = {name: str(given[name]) for name in OWN}
    lights = {contrast("#000000", colours[ground]) > contrast("#ffffff", colours[ground]) for ground in GROUNDS}
    if len(lights) > 1:
        faults.append(
            Fault(FACTS, _line(text, "ground", scheme), f"{', '.join(GROUNDS)} must all be light, or all dark")
        )
    for ink in ("ink", "muted"):
        for ground in GROUNDS:
            if (reached := contrast(colours[ink], colours[ground])) < AA:
                faults.append(
                    Fault(
                        FACTS,
                        _line(text, ink, scheme),
                        f"{ink} {colours[ink]} on {ground} {colours[ground]} in [{scheme}] has a contrast of {reached:.1f} and needs {AA};"
                        f" make it {'darker' if True in lights else 'lighter'}",
                    )
                )
    return faults


def _line(text: str, name: str, section: str | None = None) -> int:
    """Where a key stands, else where its section begins, else the last line."""
    start = 0
    if section and (head := re.search(rf"^\[{section}\]", text, re.MULTILINE)):
        start = head.start()
    found = re.search(rf"^\s*\[?{re.escape(name)}\b", text[start:], re.MULTILINE)
    at = start + found.end() if found else start or len(text.rstrip())
    return text.count("\n", 0, at) + 1
