"""Newsletters as their readers see them: name, language, colour, logo, and who is behind it; and their names, for the team. Reads
only."""

import hashlib
from dataclasses import dataclass
from typing import Any

from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.errors import NotFound
from service.operations.permitting import within

COUNTED = 100_000
"""Readers up to which a list says exactly how many there are."""
FEW = 2_000
"""Readers who are counted, with all that keeps a copy from them, while a page is asked for."""


@dataclass(frozen=True)
class Brand:
    """What a page needs to look like a newsletter's own. `logo` names a picture of ours, or is None; `version` changes
    whenever the colour does."""

    slug: str
    name: str
    language: str
    postal_address: str
    colour: str
    logo: str | None
    privacy_url: str | None

    @property
    def version(self) -> str:
        return hashlib.sha256(self.colour.encode()).hexdigest()[:12]


def brand(slug: str) -> Brand:
    """The newsletter of that slug. Raises NotFound."""
    with transaction() as tx:
        row = (
            tx.execute(
                "SELECT slug, name, language, postal_address, brand_colour AS colour, logo, privacy_url FROM newsletters WHERE slug = :slug",
                slug=slug,
            )
            .mappings()
            .one_or_none()
        )
    if row is None:
        raise NotFound("There is no such newsletter.")
    return Brand(**row)


def zone_of(tx: Transaction, newsletter_id: int) -> str:
    """The newsletter's time zone, where PostgreSQL knows it: an unknown one would end a freeze."""
    found = tx.execute(
        "SELECT z.name FROM newsletters w JOIN pg_timezone_names z ON z.name = w.time_zone WHERE w.id = :id LIMIT 1",
        id=newsletter_id,
    ).scalar_one_or_none()
    return found or "UTC"


def is_large(newsletter_id: int) -> bool:
    """Whether counting all its readers takes longer than somebody should wait for a page."""
    with transaction() as tx:
        number: int = tx.execute(
            "SELECT count(*) FROM (SELECT FROM subscriptions WHERE newsletter_id = :id AND state = 'active' LIMIT :most) r",
            id=newsletter_id,
            most=FEW + 1,
        ).scalar_one()
    return number > FEW


def names(actor: str, permission: Permission = Permission.SEE) -> dict[int, str]:
    """Id → name of the newsletters in which somebody may do this, by name."""
    with transaction() as tx:
        rows = tx.execute(
            "SELECT id, name FROM newsletters WHERE CAST(:only AS bigint[]) IS NULL OR id = ANY(:only) ORDER BY lower(name), id",
            only=within(actor, permission),
        )
        return {row.id: row.name for row in rows}


def listed(actor: str) -> list[dict[str, Any]]:
    """The newsletters that somebody may see, with how many readers each has: exact up to 100,000, and 100,001 for more."""
    with transaction() as tx:
        rows = tx.execute(
            """SELECT w.id, w.slug, w.name, w.sender_name, w.language, w.accepts_signups, w.needs_approval, w.has_archive,
                   (SELECT count(*) FROM (SELECT FROM subscriptions n WHERE n.newsletter_id = w.id AND n.state = 'active' LIMIT :most) r) AS readers
               FROM newsletters w WHERE (CAST(:only AS bigint[]) IS NULL OR w.id = ANY(:only))
               ORDER BY lower(w.name), w.id""",
            only=within(actor, Permission.SEE),
            most=COUNTED + 1,
        ).mappings()
        return [dict(row) for row in rows]
