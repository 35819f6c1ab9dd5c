"""The public archive: which issues anybody may read, in which order, and as what. Opt-in twice, by newsletter and by issue.

Shows what was frozen, with nobody's values in it. What is not public is NotFound in the same words as what does not exist.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from service.db import Transaction, transaction
from service.domain.choosing import preferred
from service.errors import NotFound
from service.operations.archive_entries import Article, Entry, article_of, entry_of
from service.operations.auditing import audit
from service.rendering.wrapping import WIDTH

PAGE = 20
LONGEST_QUERY = 100
_FOOTER = "_" * WIDTH
"""The line above the footer of the text part: what is below is in every issue, so that a search must not look there."""

# Public: of a newsletter with an archive, in it, frozen; and not cancelled before anything of it was handed over. The same
# content may have gone out as several issues, to one file of readers and then another: the first one stands for all.
_PUBLIC = """
    SELECT DISTINCT ON (i.content_hash) i.id, i.content_hash, i.prepared_at, v.id AS variant_id, v.language, v.subject, v.preheader, v.tags,
        w.slug, w.time_zone, w.name AS newsletter
    FROM issues i JOIN newsletters w ON w.id = i.newsletter_id JOIN variants v ON v.issue_id = i.id AND v.position = 0
    WHERE w.slug = :slug AND w.has_archive AND i.in_archive AND i.prepared_at IS NOT NULL
      AND (i.state <> 'cancelled' OR EXISTS (
          SELECT FROM batches b WHERE b.issue_id = i.id AND b.state IN ('sending', 'accepted', 'unknown')))
    ORDER BY i.content_hash, i.prepared_at, i.id
"""
# Without its spaces the text also holds what is broken into lines, as Chinese is in the middle of words.
_MATCHING = """
    (:query = '' OR regexp_replace(subject, '\\s+', '', 'g') ILIKE :pattern OR EXISTS (
        SELECT FROM variants t WHERE t.id = variant_id
          AND regexp_replace(split_part(t.text, :footer, 1), '\\s+', '', 'g') ILIKE :pattern))
"""
_SAME_CONTENT = """
    SELECT i.content_hash FROM issues i JOIN newsletters n ON n.id = i.newsletter_id
    WHERE i.id = :issue AND n.slug = :slug AND i.in_archive AND i.prepared_at IS NOT NULL
"""
_ENTRIES = f"SELECT * FROM ({_PUBLIC}) shown"
_ARTICLES = f"SELECT *, (SELECT t.html FROM variants t WHERE t.id = variant_id) AS html FROM ({_PUBLIC}) shown"
_VERSIONS = """
    SELECT language, subject, preheader, tags, html FROM variants WHERE issue_id = :issue AND plain ORDER BY position
"""
_NEWEST_FIRST = "ORDER BY prepared_at DESC, id DESC"


@dataclass(frozen=True)
class Publication:
    """What of a newsletter stands around its archive."""

    slug: str
    name: str
    description: str
    language: str
    sender_name: str
    accepts_signups: bool
    created_at: datetime


@dataclass(frozen=True)
class Listing:
    """One page of the archive, newest first. `number` counts from 1 up to `pages`."""

    entries: list[Entry]
    query: str
    found: int
    number: int
    pages: int
    changed_at: datetime | None


@dataclass(frozen=True)
class Site:
    """What search engines may know: newsletters that can be subscribed to, archives, and the issues in them."""

    newsletters: list[str]
    archives: list[str]
    entries: list[Entry]


def listing(slug: str, *, number: int = 1, query: str = "") -> Listing:
    """A page of the archive, or of what is found in it. Raises NotFound where there is no archive, and for a page beyond."""
    query = " ".join(query.replace("\0", "").split())[:LONGEST_QUERY]
    with transaction() as tx:
        _need_archive(tx, slug)
        words = {"slug": slug, **_search(query)}
        found, changed_at = tx.execute(
            f"SELECT count(*) FILTER (WHERE {_MATCHING}), max(prepared_at) FROM ({_PUBLIC}) shown", words
        ).one()
        pages = max(1, -(-found // PAGE))
        if not 1 <= number <= pages:
            raise _not_found()
        rows = _rows(
            tx,
            f"{_ENTRIES} WHERE {_MATCHING} {_NEWEST_FIRST} LIMIT :limit OFFSET :offset",
            **words,
            limit=PAGE,
            offset=(number - 1) * PAGE,
        )
    return Listing([entry_of(row) for row in rows], query, found, number, pages, changed_at)


def latest(slug: str, number: int = 3) -> list[Entry]:
    """The newest public issues, for a newsletter's own page: title, summary, day and path. Nothing where there is no archive."""
    with transaction() as tx:
        return _latest(tx, slug, number)


def publication(slug: str) -> Publication:
    """The newsletter whose archive it is. Raises NotFound where there is none."""
    with transaction() as tx:
        rows = _rows(
            tx,
            """SELECT slug, name, description, language, sender_name, accepts_signups, created_at FROM newsletters
               WHERE slug = :slug AND has_archive""",
            slug=slug,
        )
    if not rows:
        raise _not_found()
    return Publication(**rows[0])


def read(slug: str, issue_id: int, *, languages: Sequence[str] = ()) -> Article:
    """An issue with its neighbours, in the first of these languages that it has, else in the newsletter's; and as somebody reads
    it of whom nothing is known. Where the same content went out before, it is that issue. Raises NotFound."""
    with transaction() as tx:
        rows = _rows(tx, f"{_ARTICLES} WHERE content_hash = ({_SAME_CONTENT})", slug=slug, issue=issue_id)
        if not rows:
            raise _not_found()
        article = article_of(_in_language(tx, rows[0], languages))
        newer, older = (_neighbour(tx, article, before=before) for before in (False, True))
        changed_at = tx.execute(f"SELECT max(prepared_at) FROM ({_PUBLIC}) shown", slug=slug).scalar_one()
    return replace(article, newer=newer, older=older, changed_at=changed_at)


def feed(slug: str, number: int = PAGE, *, base: str) -> list[Article]:
    """The newest issues in full, for feed readers: `base` goes before every address of ours. Raises NotFound."""
    with transaction() as tx:
        _need_archive(tx, slug)
        rows = _rows(tx, f"{_ARTICLES} {_NEWEST_FIRST} LIMIT :limit", slug=slug, limit=number)
    return [article_of(row, base=base) for row in rows]


def site() -> Site:
    """Everything public, of all newsletters."""
    with transaction() as tx:
        rows = _rows(tx, "SELECT slug, accepts_signups, has_archive FROM newsletters ORDER BY slug")
        archives = [row["slug"] for row in rows if row["has_archive"]]
        entries = [entry for slug in archives for entry in _latest(tx, slug, 10_000)]
    return Site([row["slug"] for row in rows if row["accepts_signups"]], archives, entries)


def set_in_archive(issue_id: int, in_archive: bool, *, actor: str) -> dict[str, Any]:
    """Put an issue into the archive or take it out; what was before, and what may be surprising. Raises NotFound."""
    with transaction() as tx:
        rows = _rows(
            tx,
            """SELECT i.in_archive, i.state, i.prepared_at, w.has_archive, w.slug FROM issues i JOIN newsletters w ON w.id = i.newsletter_id
               WHERE i.id = :issue FOR UPDATE OF i""",
            issue=issue_id,
        )
        if not rows:
            raise NotFound(f"There is no issue {issue_id}.")
        if rows[0]["in_archive"] != in_archive:
            tx.execute("UPDATE issues SET in_archive = :yes WHERE id = :issue", yes=in_archive, issue=issue_id)
            audit(tx, actor, "archive" if in_archive else "withdraw from archive", f"issue {issue_id}")
    return rows[0]


def _need_archive(tx: Transaction, slug: str) -> None:
    if tx.execute("SELECT FROM newsletters WHERE slug = :slug AND has_archive", slug=slug).rowcount == 0:
        raise _not_found()


def _not_found() -> NotFound:
    return NotFound("There is no such newsletter.")


def _search(query: str) -> dict[str, str]:
    bare = re.sub(r"([\\%_])", r"\\\1", re.sub(r"\s+", "", query))
    return {"query": bare, "pattern": f"%{bare}%", "footer": _FOOTER}


def _latest(tx: Transaction, slug: str, number: int) -> list[Entry]:
    rows = _rows(tx, f"{_ENTRIES} {_NEWEST_FIRST} LIMIT :limit", slug=slug, limit=number)
    return [entry_of(row) for row in rows]


def _neighbour(tx: Transaction, article: Entry, *, before: bool) -> Entry | None:
    _order, _way = ("<", "DESC") if before else (">", "ASC")
    rows = _rows(
        tx,
        f"{_ENTRIES} WHERE (prepared_at, id) {_order} (:at, :id) ORDER BY prepared_at {_way}, id {_way} LIMIT 1",
        slug=article.slug,
        at=article.published_at,
        id=article.issue_id,
    )
    return entry_of(rows[0]) if rows else None


def _in_language(tx: Transaction, row: dict[str, Any], languages: Sequence[str]) -> dict[str, Any]:
    """The row with the words of the version that is wanted most."""
    versions = _rows(tx, _VERSIONS, issue=row["id"]) if languages else []
    if not (number := preferred(languages, [version["language"] for version in versions])):
        return row
    return {**row, **versions[number], "named": entry_of(row).title}


def _rows(tx: Transaction, statement: str, **words: object) -> list[dict[str, Any]]:
    return [dict(row) for row in tx.execute(statement, words).mappings()]
