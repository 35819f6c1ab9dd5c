"""Collects the sentences that the product says, and compares them with the catalogues of translations."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import write_po

from service.languages import catalogues
from service.settings import ROOT

KEYWORDS = {
    "_": None,
    "gettext": None,
    "mark": None,
    "ngettext": (1, 2),
    "say": (2,),
    "say_number": (2, 3),
}
"""What says a sentence, and which of its arguments are the sentence."""

ELSEWHERE = ("cli", "sandbox", "lab")
"""Packages that speak to operators and developers, in English."""

HEADER = r"""msgid ""
msgstr ""
"Project-Id-Version: Broadsheet\n"
"Language: {language}\n"
"Plural-Forms: {plurals}\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""

PLACEHOLDER = re.compile(r"%(?:\((\w+)\)[sd]|.)")


@cache
def said() -> Catalog:
    """Every sentence of the pages, the mails and the code, with the places that say it."""
    found = Catalog()
    for path in (*_sources("service", "*.py"), *_sources("templates/web", "*.*"), *_sources("templates/mail", "*.*")):
        name = path.relative_to(ROOT)
        method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
        options = {} if path.suffix == ".py" else {"silent": "false", "trimmed": "true"}
        with path.open("rb") as file:
            for line, text, _, _ in extract(method, file, KEYWORDS, (), options):
                if re.search(r"[^\W\d_]", "".join((text,) if isinstance(text, str) else text)):
                    found.add(text, locations=[(str(name), line)])
    return found


def problems(tag: str) -> list[str]:
    """What is wrong with the catalogue of a language, one line each; sentences that are missing are written as it has them."""
    catalogue = catalogues.read(tag)
    found = []
    for message in _real(said()):
        there = catalogue.get(message.id)
        places = ", ".join(f"{name}:{line}" for name, line in message.locations)
        if there is None or not all(_strings(there)):
            found.append(f"#: {places}\nmsgid {_ids(message)[0]!r}")
        elif there.fuzzy:
            found.append(f"fuzzy: {_ids(message)[0]!r}")
        elif len(_strings(there)) != (catalogue.num_plurals if message.pluralizable else 1):
            found.append(f"another number of forms: {_ids(message)[0]!r}")
        elif wrong := [text for text in _strings(there) if not _fits(message, text)]:
            found.append(f"other placeholders: {_ids(message)[0]!r}: {wrong}")
    found += [f"said nowhere: {_ids(one)[0]!r}" for one in _real(catalogue) if said().get(one.id) is None]
    return found + [f"obsolete: {one!r}" for one in catalogue.obsolete]


def bring_up_to_date(tag: str) -> None:
    """Write the catalogue with every sentence in it, those that are new without a translation, and none that is said nowhere."""
    catalogue = catalogues.read(tag)
    catalogue.update(said(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    write(tag, catalogue)


def write(tag: str, catalogue: Catalog) -> None:
    """Write the catalogue in the order of its sentences, without dates and places: two people's changes then merge."""
    with catalogues.path(tag).open("wb") as file:
        file.write(HEADER.format(language=catalogue.locale, plurals=catalogue.plural_forms).encode())
        write_po(file, catalogue, width=120, sort_output=True, omit_header=True, no_location=True)


def _sources(folder: str, pattern: str) -> Iterator[Path]:
    for path in sorted((ROOT / folder).rglob(pattern)):
        if path.relative_to(ROOT).parts[1] not in ELSEWHERE:
            yield path


def _real(catalogue: Catalog) -> Iterator[Message]:
    return (message for message in catalogue if message.id)


def _ids(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _strings(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))


def _fits(message: Message, text: str) -> bool:
    """The same values in any order; the number itself may be left out where a form says it in words."""
    wanted = [placeholders(one) for one in _ids(message)]
    given = placeholders(text)
    return given in wanted or given | {"num"} in wanted


def placeholders(text: str) -> set[str]:
    """The names of the values in a sentence. A percent sign that is neither doubled nor part of a name is one too: “%”."""
    return {found[1] or found[0] for found in PLACEHOLDER.finditer(text) if found[0] != "%%"} | (
        {"%"} if re.search(r"(?<!%)(?:%%)*%$", text) else set()
    )
