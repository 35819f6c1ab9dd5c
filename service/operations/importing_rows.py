"""Turns the records of a file into readers: which column is what, and what each value must look like. Refuses a header it
cannot understand; a row it cannot understand becomes a fault, never half a reader."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from service.domain.addresses import AddressError, normalise
from service.domain.personalisation import SYSTEM_FIELDS
from service.errors import Invalid
from service.tokens import email_key

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "email": ("e-mail", "mail", "email address", "e-mail address", "mail address", "e-mail-adresse", "adresse e-mail", "courriel", "correo", "电子邮件", "邮箱", "電子郵件"),
    "first_name": ("first name", "firstname", "forename", "given name", "vorname", "prénom", "nombre", "名", "名字"),
    "last_name": ("last name", "lastname", "surname", "family name", "nachname", "familienname", "nom", "apellido", "姓", "姓氏"),
    "language": ("lang", "locale", "preferred language", "sprache", "langue", "idioma", "语言", "語言"),
    "tracking": ("tracking consent", "tracking allowed", "may track"),
}  # fmt: skip
"""The columns we know and how else they may be called; case, spaces, hyphens, underscores and accents don't matter."""

MAXIMUM_COLUMNS = 100
MAXIMUM_NAME = 200
MAXIMUM_ATTRIBUTE = 1000
_ATTRIBUTE_NAME = re.compile(r"[a-z0-9_]{1,40}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_BREAKS = re.compile(r"[\t\r\n\v\f\x85\u2028\u2029]+")
# `dumps` would make an encoder for each row, which takes twice as long as encoding.
_AS_JSON = json.JSONEncoder(ensure_ascii=False).encode
_ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": None}


class Row(NamedTuple):
    """A reader as a row of the file has it, in the order of the staging table's columns."""

    line: int
    address: str
    normalised_address: str
    email_key: bytes
    first_name: str
    last_name: str
    language: str
    attributes: str
    agrees: bool
    objects: bool


class RowError(ValueError):
    """Why a row is not taken, and what to change."""


@dataclass(frozen=True)
class Columns:
    """Where each known column stands, the attributes' names by place, and how the columns are called in the file."""

    known: Mapping[str, int]
    attributes: Mapping[int, str]
    titles: tuple[str, ...]


def _key(title: str) -> str:
    """What is left of a title when case, accents and everything but letters and digits are taken away."""
    plain = unicodedata.normalize("NFKD", title.casefold())
    return "".join(character for character in plain if character.isalnum())


_KNOWN = {_key(word): name for name, words in SYNONYMS.items() for word in (name, *words)}


IGNORED = "ignore"
"""Chosen for a column that is not to be read."""


def read_header(cells: list[str], chosen: Mapping[int, str] = MappingProxyType({})) -> Columns:
    """Understand the first record. `chosen`: place → what a person says that the column holds, whatever its title. Raises Invalid
    with one line for each problem."""
    titles = tuple(cell.strip(" \t\r\n\ufeff\u00a0") for cell in cells)
    if any("@" in title for title in titles):
        raise Invalid(
            "The first line holds an address, not the names of the columns. Put a line such as email,first_name,last_name above it."
        )
    if len(titles) > MAXIMUM_COLUMNS:
        raise Invalid(
            f"The file has {len(titles):,} columns; at most {MAXIMUM_COLUMNS} are read. Remove those not needed."
        )
    problems: list[str] = []
    places: dict[str, int] = {}
    for place, title in enumerate(titles):
        if not title:
            continue  # spreadsheets write nameless columns beside the table; a value in one is a fault of its row
        if chosen.get(place) == IGNORED:
            continue
        name = chosen.get(place) or _KNOWN.get(_key(title)) or _attribute_name(title)
        if not _ATTRIBUTE_NAME.fullmatch(name) or name in SYSTEM_FIELDS:
            problems.append(
                f"Column {place + 1} ({_shown(title)}) needs another name: 1 to 40 letters a–z, digits or underscores."
            )
        elif name in places:
            problems.append(
                f"Columns {places[name] + 1} and {place + 1} ({_shown(titles[places[name]])}, {_shown(title)}) both mean {name}. Remove or rename one."
            )
        else:
            places[name] = place
    if "email" not in places and not problems:
        problems.append(_no_email(titles))
    if problems:
        raise Invalid(*problems)
    known = {name: place for name, place in places.items() if name in SYNONYMS}
    return Columns(known, {place: name for name, place in places.items() if name not in SYNONYMS}, titles)


def _attribute_name(title: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", title.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _no_email(titles: tuple[str, ...]) -> str:
    found = ", ".join(_shown(title) for title in titles if title)
    return f"No column is called email. Columns found: {found}. Also understood: {', '.join(SYNONYMS['email'])}."


def _shown(text: str, length: int = 80) -> str:
    """A value of the file as it may be shown on a terminal: short, and without control characters."""
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:length])
    return f"“{safe}{'…' if len(text) > length else ''}”"


class RowReader:
    """Reads the records under one header. Counts the `yes` that cannot count because nobody said how they agreed."""

    def __init__(self, columns: Columns, *, tracking_agreed: bool, delimiter: str) -> None:
        self._columns = columns
        self._width = len(columns.titles)
        self._names = [(name, columns.known.get(name)) for name in ("first_name", "last_name")]
        self._nameless = [place for place, title in enumerate(columns.titles) if not title]
        self._tracking_agreed = tracking_agreed
        self._delimiter = {"\t": "tab", ",": "comma", ";": "semicolon"}[delimiter]
        self.ignored_yes = 0

    def read(self, line: int, cells: list[str]) -> Row:
        """The reader of this record. Raises RowError."""
        if len(cells) != self._width:
            cells = self._fit(cells)
        for place in self._nameless:
            if cells[place].strip():
                raise RowError(
                    f"Column {place + 1} has a value here but no name in the first line; name it or clear it."
                )
        address = self._address(cells[self._columns.known["email"]])
        first_name, last_name = (
            "" if place is None else _clean(cells[place], name, MAXIMUM_NAME) for name, place in self._names
        )
        attributes = {
            name: value
            for place, name in self._columns.attributes.items()
            if (value := _clean(cells[place], name, MAXIMUM_ATTRIBUTE))
        }
        language = self._language(cells)
        answer = self._tracking(cells)
        return Row(
            line,
            address[0],
            address[1],
            email_key(address[1]),
            first_name,
            last_name,
            language,
            _AS_JSON(attributes) if attributes else "{}",
            answer is True,
            answer is False,
        )

    def _fit(self, cells: list[str]) -> list[str]:
        # Even if the last ones are empty: an unquoted delimiter has moved every value behind it into the wrong column.
        if len(cells) > self._width:
            raise RowError(
                f"The row has {len(cells)} values, but the first line names {self._width} columns; put quotation marks round a value that holds a {self._delimiter}."
            )
        return cells + [""] * (self._width - len(cells))

    def _address(self, cell: str) -> tuple[str, str]:
        try:
            address = normalise(cell)
        except AddressError as error:
            raise RowError(f"{_shown(cell)}: {error}" if cell.strip() else str(error)) from None
        return address.as_typed_clean, address.normalised

    def _language(self, cells: list[str]) -> str:
        place = self._columns.known.get("language")
        if place is None or not (tag := cells[place].strip().replace("_", "-")):
            return ""
        if len(tag) > 35 or not _LANGUAGE.fullmatch(tag):
            raise RowError(f"language is {_shown(cells[place].strip())}; write a tag such as en, de-CH or zh-Hant.")
        return canonical(tag)

    def _tracking(self, cells: list[str]) -> bool | None:
        """Whether the reader agreed (True) or objected (False) to tracking; None when we don't know."""
        place = self._columns.known.get("tracking")
        if place is None:
            return True if self._tracking_agreed else None
        cell = cells[place].strip()
        if (word := cell.lower()) not in _ANSWERS:
            raise RowError(f"tracking is {_shown(cell)}; write yes, no or nothing.")
        if _ANSWERS[word] and not self._tracking_agreed:
            self.ignored_yes += 1
            return None
        return _ANSWERS[word]


def _clean(cell: str, name: str, maximum: int) -> str:
    text = cell.strip()
    if not (text.isascii() and text.isprintable()):
        # A line break in a value could end a header of the mail that it is put into.
        text = _BREAKS.sub(" ", unicodedata.normalize("NFC", text))
        for character in text:
            if unicodedata.category(character) in ("Cc", "Cs"):
                raise RowError(f"{name} holds a control character (U+{ord(character):04X}); remove it.")
    if len(text) > maximum:
        raise RowError(f"{name} has {len(text):,} characters; at most {maximum:,} are kept. Shorten it.")
    return text


@lru_cache(maxsize=1000)
def canonical(tag: str) -> str:
    """BCP 47's usual spelling: zh-Hant-TW."""
    first, *rest = tag.split("-")
    return "-".join(
        [
            first.lower(),
            *(part.upper() if len(part) == 2 else part.title() if len(part) == 4 else part.lower() for part in rest),
        ]
    )
