"""Saves what a reader has changed in their preferences, and records every consent that this gives or takes back. Only what
differs from what the form had shown is a decision of theirs; nothing is recorded under words that were not shown."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from service.db import Transaction, transaction
from service.domain.languages import LANGUAGES
from service.errors import BroadsheetError, Invalid
from service.languages import mark
from service.operations import preferences_acts as acts
from service.operations.pausing import set_pause, start_of, typed_day
from service.operations.preferences import Choice, Preferences, read

LONGEST_NAME = 100


class Problem(NamedTuple):
    """What is wrong with a field, as a sentence to be translated, with its values."""

    field: str
    text: str
    values: Mapping[str, object]


class Rejected(BroadsheetError):
    """Nothing was saved; every problem in the order of the form."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("The form was not accepted.")
        self.problems = problems


class Change(NamedTuple):
    """One thing that was saved: left, begun, tracking-on …; `day` is a pause's."""

    what: str
    newsletter: str
    day: str


@dataclass
class Saved:
    """What changed, and the withdrawals that can be undone for half an hour."""

    changes: list[Change] = field(default_factory=list)
    undoable: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Wanted:
    """What the form says now; slugs of ticked boxes by purpose, days of pauses by slug, texts by field. `shown` is what it
    had shown, by slug; `origin` is the network and user_agent that it came from."""

    ticked: Mapping[str, frozenset[str]]
    pauses: Mapping[str, str]
    texts: Mapping[str, str]
    shown: Mapping[str, list[Any]]
    origin: Mapping[str, str]


def save(subscriber_id: int, wanted: Wanted, language: str) -> Saved:
    """Save all or nothing. `language` is the one that the form was shown in. Raises Rejected with each field's problem."""
    with transaction() as tx:
        tx.execute("SELECT FROM subscribers WHERE id = :id FOR NO KEY UPDATE", id=subscriber_id)
        now = read(tx, subscriber_id, language)
        moment: datetime = tx.execute("SELECT clock_timestamp()").scalar_one()
        plan = [_Plan(choice, wanted, moment) for choice in now.choices if choice.slug in wanted.shown]
        texts, problems = _texts(now, wanted)
        problems = [one for each in plan for one in each.problems] + problems
        if problems:
            raise Rejected(problems)
        saved = Saved()
        for one in plan:
            _carry_out(tx, now, one, saved)
        _save_texts(tx, now, texts, saved)
    return saved


class _Plan:
    """What is to happen to one newsletter: the difference between what was shown and what is wanted."""

    def __init__(self, choice: Choice, wanted: Wanted, moment: datetime) -> None:
        self.choice = choice
        self.origin = wanted.origin
        active, tracking, export, pause, self.hashes = wanted.shown[choice.slug]
        here = {purpose: choice.slug in wanted.ticked[purpose] for purpose in acts.PURPOSES}
        self.begins = here["newsletter"] and not active
        self.leaves = active and not here["newsletter"]
        stays = here["newsletter"] and (choice.active or self.begins)
        before = {"tracking": tracking, "export": export}
        self.agrees = [p for p in before if p in choice.wordings and stays and here[p] and not before[p]]
        self.objects = [p for p in before if p in choice.wordings and stays and before[p] and not here[p]]
        self.problems: list[Problem] = []
        self._check_words(here["export"])
        typed = wanted.pauses.get(choice.slug, "").strip()
        self.pauses = stays and typed != pause
        self.until = self._until(typed, moment) if self.pauses and typed else None

    def _check_words(self, export: bool) -> None:
        choice = self.choice
        for purpose in [*(["newsletter"] if self.begins else []), *self.agrees]:
            if self.hashes.get(purpose) != choice.wordings[purpose].sha256:
                self._fault(purpose, _OTHER_WORDS)
        if self.begins and not choice.can_begin:
            self._fault("newsletter", _CLOSED)
        if self.begins and "export" in choice.wordings and not export:
            self._fault("export", _NEEDS_EXPORT, newsletter=choice.name)

    def _until(self, typed: str, moment: datetime) -> date | None:
        try:
            return typed_day(typed, moment.astimezone(ZoneInfo(self.choice.time_zone)).date())
        except Invalid as error:
            self._fault("pause", str(error))
            return None

    def _fault(self, name: str, text: str, **values: object) -> None:
        self.problems.append(Problem(f"{name}-{self.choice.slug}", text, values))


def _carry_out(tx: Transaction, now: Preferences, plan: _Plan, saved: Saved) -> None:
    choice = plan.choice

    def note(what: str, day: str = "") -> None:
        saved.changes.append(Change(what, choice.name, day))

    if plan.leaves:
        if withdrawn := acts.leave(tx, choice, plan.origin):
            saved.undoable.append(withdrawn)
            note("left")
        return
    subscription_id = choice.subscription_id
    if plan.begins and not choice.active:
        subscription_id = acts.begin(tx, now, choice, plan.origin, tracked="tracking" in plan.agrees)
        note("begun")
    if subscription_id is None:
        return
    for purpose in plan.agrees:
        acts.agree_to(tx, now, choice, subscription_id, purpose, plan.origin)
        note(f"{purpose}-on")
    for purpose in plan.objects:
        acts.object_to(tx, now, choice, subscription_id, purpose, plan.origin)
        note(f"{purpose}-off")
    if plan.pauses:
        set_pause(tx, subscription_id, start_of(plan.until, choice.time_zone) if plan.until else None)
        note("paused" if plan.until else "resumed", plan.until.isoformat() if plan.until else "")


def _texts(now: Preferences, wanted: Wanted) -> tuple[dict[str, str], list[Problem]]:
    """The typed texts, tidied, and what is wrong with them."""
    longest = {"first_name": LONGEST_NAME, "last_name": LONGEST_NAME} | {one.name: one.longest for one in now.fields}
    texts, problems = {}, []
    for name, most in longest.items():
        if name not in wanted.texts:
            continue
        texts[name] = unicodedata.normalize("NFC", wanted.texts[name]).strip()
        if not texts[name].isprintable():
            problems.append(Problem(name, _INVISIBLE, {}))
        elif len(texts[name]) > most:
            problems.append(Problem(name, _TOO_LONG, {"count": len(texts[name]), "most": most}))
    if (language := wanted.texts.get("language", now.language)) != now.language:
        texts["language"] = language
        if language not in LANGUAGES:
            problems.append(Problem("language", _NO_SUCH_LANGUAGE, {}))
    return texts, problems


def _save_texts(tx: Transaction, now: Preferences, texts: Mapping[str, str], saved: Saved) -> None:
    own = {one.key: texts[one.name] for one in now.fields if one.name in texts}
    attributes = {key: text for key, text in own.items() if text != now.attributes.get(key, "")}
    names = {key: texts.get(key, getattr(now, key)) for key in ("first_name", "last_name", "language")}
    if (names["first_name"], names["last_name"]) != (now.first_name, now.last_name):
        saved.changes.append(Change("name", "", ""))
    if names["language"] != now.language:
        saved.changes.append(Change("language", "", ""))
    if attributes:
        saved.changes.append(Change("details", "", ""))
    tx.execute(
        """UPDATE subscribers SET first_name = :first_name, last_name = :last_name, language = :language,
               attributes = (attributes || CAST(:attributes AS jsonb)) - CAST(:emptied AS text[])
           WHERE id = :id""",
        **names,
        attributes=json.dumps(attributes),
        emptied=[key for key, text in attributes.items() if not text],
        id=now.subscriber_id,
    )


_OTHER_WORDS = mark("These words have changed in the meantime. Please read them, and tick the box if you agree.")
_CLOSED = mark("This newsletter takes no new readers at present. Leave the box empty.")
_NEEDS_EXPORT = mark(
    "Without this agreement %(newsletter)s cannot be sent to you, because it is delivered from the United States. Tick this box too, or leave the newsletter off."
)
_INVISIBLE = mark("This has a line break or another invisible character in it; remove it.")
_TOO_LONG = mark("This has %(count)s characters; at most %(most)s fit. Shorten it.")
_NO_SUCH_LANGUAGE = mark("Choose one of the languages.")
