"""An issue of the archive, made from its frozen row: title, day, permanent address, and the words as nobody's own copy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.domain.personalisation import Tag, on_day
from service.languages import format_day, mark, say
from service.operations.requests import MEDIA_ORIGIN
from service.rendering.contents import slug as slugged
from service.rendering.webpage import WebPage, Words, impersonal, web_page

LONGEST_TITLE = 60


@dataclass(frozen=True)
class Entry:
    """An issue as lists show it. `published_on` is the day in the newsletter's zone; `path` is its permanent address here."""

    issue_id: int
    slug: str
    title: str
    summary: str
    language: str
    published_at: datetime
    published_on: date
    named: str = field(default="", kw_only=True)

    @property
    def tail(self) -> str:
        """What follows the id in the address: for who reads it, never for who looks the issue up."""
        return "-".join(filter(None, (self.published_on.isoformat(), _title_slug(self.named or self.title))))

    @property
    def path(self) -> str:
        return f"/n/{self.slug}/{self.issue_id}/{quote(self.tail)}"


@dataclass(frozen=True)
class Article(Entry):
    """An issue to be read. `newer` and `older` are its neighbours; `changed_at` is when the archive last grew."""

    page: WebPage
    newer: Entry | None
    older: Entry | None
    changed_at: datetime


def entry_of(row: Mapping[str, Any]) -> Entry:
    """An issue of the archive, from its row."""
    tags = _tags(row)
    return Entry(
        issue_id=row["id"],
        slug=row["slug"],
        title=impersonal(row["subject"], tags),
        summary=impersonal(row["preheader"], tags),
        language=row["language"],
        published_at=row["prepared_at"],
        published_on=_day(row["prepared_at"], row["time_zone"]),
        named=row.get("named", ""),
    )


def article_of(row: Mapping[str, Any], *, base: str = "") -> Article:
    """An issue to be read, from its row with the frozen `html`. `base`: what goes before every address of ours."""
    entry = entry_of(row)

    def served(source: str) -> str:
        return f"{base}/media{source.removeprefix(MEDIA_ORIGIN)}" if source.startswith(f"{MEDIA_ORIGIN}/") else ""

    page = web_page(
        row["html"],
        _tags(row),
        language=entry.language,
        media=served,
        words=_words(entry.language),
        base=f"{base}{entry.path}" if base else "",
    )
    return Article(**vars(entry), page=page, newer=None, older=None, changed_at=entry.published_at)


def _tags(row: Mapping[str, Any]) -> list[Tag]:
    day = _day(row["prepared_at"], row["time_zone"])
    return [
        on_day(Tag.from_json(tag), day, lambda value, form: format_day(value, form, row["language"]))
        for tag in row["tags"]
    ]


def _words(language: str) -> Words:
    # The note's number is put in when it is known.
    return Words(
        back=say(language, mark("Back to the text")),
        note=say(language, mark("Note %(number)s"), number="%(number)s"),
        table=say(language, mark("Table")),
        picture=say(language, mark("Picture")),
    )


def _day(moment: datetime, zone: str) -> date:
    try:
        return moment.astimezone(ZoneInfo(zone)).date()
    except (ZoneInfoNotFoundError, ValueError):
        return moment.astimezone(UTC).date()


def _title_slug(title: str) -> str:
    """The title's words, in any script; cut between words where there are any."""
    words = re.sub(r"-{2,}", "-", slugged(title)).strip("-")
    if len(words) <= LONGEST_TITLE:
        return words
    cut = words[: LONGEST_TITLE + 1]
    return (cut.rsplit("-", 1)[0] if "-" in cut[LONGEST_TITLE // 2 :] else cut[:LONGEST_TITLE]).strip("-")
