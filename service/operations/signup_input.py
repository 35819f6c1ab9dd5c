"""Reads what was typed into a sign-up form, and says for each field what to change. Refuses boxes ticked beside other words
than today's: nobody agrees to what they were not shown."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from service.domain.addresses import Address, AddressError, normalise
from service.domain.languages import match
from service.languages import mark
from service.operations.signup_forms import Field, Offer, SignupForm
from service.operations.wordings import Wording

Given = Mapping[str, Sequence[str]]
_LONGEST_ADDRESS_LOOKED_AT = 1000
# Marks that turn the direction of writing make a name show what it does not say.
_NOT_IN_NAMES = re.compile("[\u202a-\u202e\u2066-\u2069]")


class Problem(NamedTuple):
    """What is wrong with a field, as a sentence to be translated, with its values."""

    field: str
    text: str
    values: Mapping[str, object] = {}


@dataclass(frozen=True)
class Accepted:
    """A sign-up that can be kept. `words` are those beside the boxes that were ticked."""

    address: Address
    language: str
    first_name: str
    last_name: str
    attributes: dict[str, str]
    choices: list[dict[str, Any]]
    words: list[Wording]


@dataclass
class _Reading:
    given: Given
    form: SignupForm
    problems: list[Problem] = field(default_factory=list)
    words: dict[str, Wording] = field(default_factory=dict)

    def fault(self, name: str, text: str, **values: object) -> None:
        self.problems.append(Problem(name, text, values))


def check(given: Given, form: SignupForm) -> Accepted | tuple[Problem, ...]:
    """What can be kept, or every problem in the order of the form."""
    reading = _Reading(given, form)
    address = _address(reading)
    boxes = {purpose: _ticked(given, purpose) for purpose in ("newsletter", "tracking", "export")}
    # Of a form for one newsletter everything wrong is told at once, though its box be empty.
    only = form.offers if len(form.offers) == 1 else ()
    chosen = only or tuple(offer for offer in form.offers if offer.slug in boxes["newsletter"])
    texts = {one.key: _text(reading, one, chosen) for one in form.fields}
    if not boxes["newsletter"].keys() & {offer.slug for offer in chosen}:
        reading.fault(f"newsletter-{form.offers[0].slug}", _TICK_IT if only else _TICK_ONE)
    choices = [_choice(reading, offer, boxes) for offer in chosen]
    if reading.problems or address is None:
        return tuple(reading.problems)
    return Accepted(
        address=address,
        language=texts.pop("language", "") or form.language,
        first_name=texts.pop("first_name", ""),
        last_name=texts.pop("last_name", ""),
        attributes={key: text for key, text in texts.items() if text},
        choices=choices,
        words=list(reading.words.values()),
    )


def _address(reading: _Reading) -> Address | None:
    try:
        return normalise(first(reading.given, "address")[:_LONGEST_ADDRESS_LOOKED_AT])
    except AddressError as error:
        reading.fault("address", error.text, **error.values)
        return None


def _text(reading: _Reading, asked: Field, chosen: Sequence[Offer]) -> str:
    """A field's text, tidied. It is needed when a newsletter that was chosen needs it."""
    typed = unicodedata.normalize("NFC", first(reading.given, asked.name))
    text = re.sub(" +", " ", typed).strip()
    needed = any(one.required for offer in chosen for one in offer.fields if one.name == asked.name)
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text) or _NOT_IN_NAMES.search(text):
        reading.fault(asked.name, _INVISIBLE)
    elif len(text) > asked.longest:
        reading.fault(asked.name, _TOO_LONG, count=len(text), most=asked.longest)
    elif needed and not text:
        reading.fault(asked.name, _EMPTY, field=asked.label)
    elif asked.options and text and (text := match(text) or "") == "":
        reading.fault(asked.name, _NO_SUCH_LANGUAGE)
    return text


def _choice(reading: _Reading, offer: Offer, boxes: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What one newsletter is asked for. Boxes of a newsletter that is not chosen say nothing."""
    ticked = {}
    for purpose, wording in offer.wordings.items():
        shown = boxes[purpose].get(offer.slug)
        if shown is None:
            continue
        if shown == wording.sha256:
            ticked[purpose] = wording.sha256
            reading.words[wording.sha256] = wording
        else:
            reading.fault(f"{purpose}-{offer.slug}", _OTHER_WORDS)
    if "export" in offer.wordings and offer.slug not in boxes["export"]:
        reading.fault(f"export-{offer.slug}", _NEEDS_EXPORT, newsletter=offer.name)
    return {
        "newsletter": offer.id,
        "tracking": "tracking" in ticked,
        "export": "export" in ticked,
        "wordings": ticked,
    }


def _ticked(given: Given, purpose: str) -> dict[str, str]:
    """Slug → the hash of the words that the ticked box says it stood beside."""
    return dict(value.partition(":")[::2] for value in given.get(purpose, ())[:100])


def first(given: Given, name: str) -> str:
    """The first value that was sent by this name, or nothing."""
    return next(iter(given.get(name, ())), "")


_TICK_IT = mark("Tick this box to sign up: without it nothing may be sent to you.")
_TICK_ONE = mark("Tick at least one newsletter.")
_OTHER_WORDS = mark("These words have changed in the meantime. Please read them, and tick the box if you agree.")
_NEEDS_EXPORT = mark(
    "Without this agreement %(newsletter)s cannot be sent to you, because it is delivered from the United States. Tick the box, or leave this page: nothing has been kept."
)
_INVISIBLE = mark("This has a line break or another invisible character in it; remove it.")
_TOO_LONG = mark("This has %(count)s characters; at most %(most)s fit. Shorten it.")
_EMPTY = mark("“%(field)s” is needed for this newsletter; fill it in.")
_NO_SUCH_LANGUAGE = mark("Choose one of the languages.")
