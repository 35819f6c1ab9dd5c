"""The catalogues of translations: gettext's .po files, read when first needed and never compiled to a file."""

import gettext
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from service.domain.languages import LANGUAGES, SOURCE, match
from service.settings import ROOT

FOLDER = ROOT / "templates" / "languages"

Translation = gettext.NullTranslations
"""Has `gettext(text)` and `ngettext(one, many, number)`; what is not translated comes back as it is."""


@cache
def translation(language: str) -> Translation:
    """The sentences of a language such as “zh-Hans”. For a language that we do not speak: the source's, English."""
    tag = match(language) or SOURCE
    if tag == SOURCE:
        return gettext.NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, read(tag))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def read(tag: str) -> Catalog:
    """The catalogue as it is written, with what is fuzzy or obsolete in it."""
    with path(tag).open("rb") as file:
        return read_po(file, locale=Locale.parse(tag, sep="-"))


def path(tag: str) -> Path:
    """Where the catalogue of a language is kept."""
    return FOLDER / f"{tag}.po"


def translated() -> list[str]:
    """The languages that need a catalogue: all but the source."""
    return [tag for tag in LANGUAGES if tag != SOURCE]
