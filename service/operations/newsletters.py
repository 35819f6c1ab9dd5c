"""Newsletters as their readers see them: name, language, colour, logo, and who is behind it. Reads only."""

import hashlib
from dataclasses import dataclass

from service.db import transaction
from service.errors import NotFound


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
