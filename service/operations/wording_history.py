"""Which words readers were asked to agree to, from when to when, and how many agreed to each. Tells what the audit log and the
consent records say, and nothing that neither of them holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from service.db import Transaction, transaction
from service.languages import LANGUAGES
from service.operations import wording_counts
from service.operations.newsletter_settings import row_of
from service.operations.wording_counts import Agreed
from service.operations.wordings import PURPOSES, Wording, choose, sha256_of

# The audit log is append-only: it has every word that was ever set, and when it was set aside.
_SAID = """
    SELECT details ->> 'purpose' AS purpose, details ->> 'language' AS language, details ->> 'wording' AS wording, at AS since,
        lead(at) OVER (PARTITION BY details ->> 'purpose', details ->> 'language' ORDER BY id) AS until
    FROM audit_entries WHERE subject = :subject AND action = 'word' ORDER BY id
"""
_RENAMED = """
    SELECT max(at) FROM audit_entries
    WHERE subject = :subject AND action = 'change' AND (jsonb_exists(details, 'name') OR jsonb_exists(details, 'sender_name'))
"""


@dataclass(frozen=True)
class Worded:
    """Words for a purpose, with how many `readers` agreed to them. `source`: `own` or `standard` words were in force from `since`
    until `until` (None: they still are); what an `import` said, and `former` standard words, are dated by the first and last
    agreement to them, and their language is not known."""

    purpose: str
    language: str | None
    wording: str
    sha256: str
    source: str
    since: datetime
    until: datetime | None
    readers: int

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, for `--json`."""
        return asdict(self) | {
            "since": self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
        }


def history(slug: str, *, actor: str) -> list[Worded]:
    """All wordings of a newsletter by purpose, those of today first, then the newest. Reads every consent record of the newsletter.
    Raises NotFound."""
    with transaction() as tx:
        row = row_of(tx, slug, actor)
        return _told(tx, row, wording_counts.now(tx, row["id"]))


def as_counted(slug: str, *, actor: str) -> tuple[list[Worded], datetime | None]:
    """The same for a page, which waits for no count: words and dates are those of now, `readers` those of the moment that comes with
    them, None where nothing was counted yet. What only the consent records tell of is not there before. Raises NotFound."""
    with transaction() as tx:
        row = row_of(tx, slug, actor)
        agreed, counted_at = wording_counts.kept(tx, row["id"])
        return _told(tx, row, agreed), counted_at


def _told(tx: Transaction, row: Mapping[str, Any], agreed: Sequence[Agreed]) -> list[Worded]:
    readers = {(one.purpose, one.sha256): one.readers for one in agreed}
    own = _own(tx, row["id"], readers)
    found = [*own, *_standard(tx, row, own, readers)]
    known = {(one.purpose, one.sha256) for one in found}
    found += [
        Worded(
            one.purpose,
            None,
            one.wording,
            one.sha256,
            "import" if one.by_import else "former",
            one.since,
            one.until,
            one.readers,
        )
        for one in agreed
        if (one.purpose, one.sha256) not in known
    ]
    return sorted(found, key=lambda one: (PURPOSES.index(one.purpose), one.until is not None, -one.since.timestamp()))


def _own(tx: Transaction, newsletter_id: int, readers: Mapping[tuple[str, str], int]) -> list[Worded]:
    """The team's own words; the same ones saved again go on."""
    periods: list[Worded] = []
    last: dict[tuple[str, str], int] = {}
    for row in tx.execute(_SAID, subject=f"newsletter {newsletter_id}"):
        key = (row.purpose, row.language)
        before = last.get(key)
        if before is not None and (periods[before].wording, periods[before].until) == (row.wording, row.since):
            periods[before] = Worded(**asdict(periods[before]) | {"until": row.until})
        elif row.wording is not None:
            digest = sha256_of(row.wording).hex()
            last[key] = len(periods)
            agreed = readers.get((row.purpose, digest), 0)
            periods.append(Worded(row.purpose, row.language, row.wording, digest, "own", row.since, row.until, agreed))
    return periods


def _standard(
    tx: Transaction, newsletter: Mapping[str, Any], own: Iterable[Worded], readers: Mapping[tuple[str, str], int]
) -> list[Worded]:
    """Our words, where they are shown today. They name the newsletter and its sender, and are others after either changed."""
    renamed = tx.execute(_RENAMED, subject=f"newsletter {newsletter['id']}").scalar_one()
    now = [(one.purpose, one.language or "", one.wording) for one in own if one.until is None]
    found = []
    for language in LANGUAGES:
        chosen: dict[str, Wording] = choose(newsletter, now, language)
        for purpose, one in chosen.items():
            if any(purpose == said and one.text == text for said, _, text in now):
                continue
            ended = [
                period.until
                for period in own
                if period.until and period.purpose == purpose and period.language in (language, newsletter["language"])
            ]
            since = max([newsletter["created_at"], *([renamed] if renamed else []), *ended])
            agreed = readers.get((purpose, one.sha256), 0)
            found.append(Worded(purpose, language, one.text, one.sha256, "standard", since, None, agreed))
    return found
