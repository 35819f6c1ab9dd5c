"""What a sign-up form shows: the newsletters that take sign-ups, the words beside their boxes, the fields that their teams
ask for. Reads only; refuses newsletters that take none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.db import Transaction, transaction
from service.errors import NotFound
from service.languages import LANGUAGES, mark, say
from service.operations.wordings import Wording, choose

NOBODY_HERE = mark("No newsletter at this address takes sign-ups at present.")
OWN = "own_"
"""Before the names of a team's own fields, so that none is mistaken for one of ours."""

_LABELS = {
    "first_name": mark("First name"),
    "last_name": mark("Last name"),
    "organisation": mark("Organisation"),
    "language": mark("Language of the mails to you"),
}
_AUTOCOMPLETE = {"first_name": "given-name", "last_name": "family-name", "organisation": "organization"}
_LONGEST = {"first_name": 100, "last_name": 100}
_LONGEST_OTHER = 200


@dataclass(frozen=True)
class Field:
    """One thing that a form asks beside the address. `key` is what it is kept as; `options` are (value, label) pairs of one
    to choose from; `needed_for` names the newsletters that need it where others of the form do not."""

    name: str
    key: str
    label: str
    required: bool
    longest: int
    autocomplete: str = ""
    options: tuple[tuple[str, str], ...] = ()
    needed_for: str = ""


@dataclass(frozen=True)
class Offer:
    """A newsletter that takes sign-ups, with the words of today by purpose."""

    id: int
    slug: str
    name: str
    description: str
    language: str
    privacy_url: str | None
    has_archive: bool
    allowed_origins: tuple[str, ...]
    wordings: Mapping[str, Wording]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class SignupForm:
    """What one form shows, in one language."""

    language: str
    offers: tuple[Offer, ...]

    @property
    def slugs(self) -> list[str]:
        return [offer.slug for offer in self.offers]

    @property
    def fields(self) -> list[Field]:
        """Each field once, needed where any newsletter needs it."""
        found = {field.name: field for offer in reversed(self.offers) for field in reversed(offer.fields)}
        return [self._shared(found[name]) for name in reversed(found)]

    def _shared(self, field: Field) -> Field:
        needing = [
            offer.name for offer in self.offers for one in offer.fields if one.name == field.name and one.required
        ]
        by_some = ", ".join(needing) if 0 < len(needing) < len(self.offers) else ""
        return replace(field, required=bool(needing), needed_for=by_some)


_FORMS = """
    SELECT w.id, w.slug, w.name, w.description, w.language, w.sender_name, w.privacy_url, w.has_archive, w.allowed_origins,
        w.signup_fields, w.tracking_policy, w.needs_export_consent,
        (SELECT jsonb_agg(jsonb_build_array(purpose, t.language, wording)) FROM newsletter_wordings t WHERE t.newsletter_id = w.id) AS own
    FROM newsletters w CROSS JOIN (SELECT pg_advisory_xact_lock(hashtextextended(CAST(:network AS text), 0))) turn
    WHERE w.accepts_signups{which} ORDER BY w.name, w.id
"""
_ALL = _FORMS.format(which="")
# Of a list in an array the server knows how long it is, finds each form cheaper to read than forms in general, and so plans the statement
# anew for each sign-up, which takes longer than reading it.
_NAMED = _FORMS.format(which=" AND w.slug IN (SELECT jsonb_array_elements_text(CAST(:slugs AS jsonb)))")


def form_for(slugs: Sequence[str] | None, language: str) -> SignupForm:
    """The form for these newsletters, or for all. Raises NotFound where one of them takes no sign-ups."""
    with transaction() as tx:
        return read_form(tx, slugs, language)


def read_form(tx: Transaction, slugs: Sequence[str] | None, language: str, *, turn_of: str | None = None) -> SignupForm:
    """As `form_for`, within a transaction; one statement. With `turn_of`, it waits for that network's turn and keeps it to the
    transaction's end: a round trip less than asking for it apart (the lock of NULL is none)."""
    sql = _ALL if slugs is None else _NAMED
    rows = tx.execute(sql, {"slugs": json.dumps(list(slugs))} if slugs is not None else {}, network=turn_of).all()
    form = SignupForm(language, tuple(_offer(row._asdict(), language) for row in rows))
    if slugs is not None and set(slugs) != set(form.slugs):
        raise NotFound(NOBODY_HERE)
    return form


def accepting_origins() -> frozenset[str]:
    """Every site whose scripts may sign readers up for some newsletter."""
    with transaction() as tx:
        return frozenset(
            tx.execute("SELECT DISTINCT unnest(allowed_origins) FROM newsletters WHERE accepts_signups").scalars()
        )


def _offer(row: Mapping[str, Any], language: str) -> Offer:
    return Offer(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        language=row["language"],
        privacy_url=row["privacy_url"],
        has_archive=row["has_archive"],
        allowed_origins=tuple(row["allowed_origins"]),
        wordings=choose(row, row["own"] or (), language),
        fields=tuple(_field(given, row["language"], language) for given in row["signup_fields"]),
    )


def _field(given: Mapping[str, Any], newsletters_language: str, language: str) -> Field:
    key = str(given["name"])
    label = given.get("label") or ""
    if isinstance(label, Mapping):
        label = label.get(language) or label.get(newsletters_language) or next(iter(label.values()), "")
    if not label:
        label = say(language, _LABELS[key]) if key in _LABELS else key
    return Field(
        name=key if key in _LABELS else OWN + key,
        key=key,
        label=str(label),
        required=bool(given.get("required")),
        longest=_LONGEST.get(key, _LONGEST_OTHER),
        autocomplete=_AUTOCOMPLETE.get(key, ""),
        options=tuple(LANGUAGES.items()) if key == "language" else (),
    )
