"""Makes newsletters, and finds them by what people call them. Refuses a newsletter whose mails could not be sent."""

import hashlib
import re

from service.db import transaction
from service.domain.addresses import AddressError, normalise
from service.domain.newsletter_rules import TRACKING_POLICIES
from service.domain.permissions import Permission
from service.errors import Conflict, Invalid, NotFound
from service.operations import looks
from service.operations.auditing import audit
from service.operations.permitting import require

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_CREATE = """
    INSERT INTO newsletters (slug, name, sender_name, sender_address, reply_to, postal_address, language, tracking_policy, brand_colour, design, maximum_audience, accepts_signups)
    VALUES (:slug, :name, :sender_name, :sender, :reply_to, :postal, :language, :policy, :colour, :design, :maximum, :signups)
    ON CONFLICT (slug) DO NOTHING RETURNING id
"""


def slug_of(name: str) -> str:
    """A slug from a name, for who gave none. Names that differ only in what a slug cannot hold get different ones."""
    whole = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    slug = whole[:30].strip("-")
    if slug and slug == whole and name.isascii():
        return slug
    return f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".strip("-")


def create_newsletter(
    slug: str,
    *,
    name: str,
    sender_address: str,
    postal_address: str,
    actor: str,
    sender_name: str | None = None,
    reply_to: str | None = None,
    language: str = "en",
    tracking_policy: str = "agreed",
    brand_colour: str = "#1f3a5f",
    maximum_audience: int | None = None,
    accepts_signups: bool = True,
    design: str = "gazette",
) -> int:
    """Create a newsletter; its id. Raises Invalid with every problem, and Conflict when the slug is taken."""
    require(actor, Permission.ADMINISTER)
    sender, answers_to = _check_newsletter(
        slug, name, sender_name, postal_address, tracking_policy, brand_colour, design, (sender_address, reply_to)
    )
    more = {"policy": tracking_policy, "colour": brand_colour, "maximum": maximum_audience, "signups": accepts_signups}
    with transaction() as tx:
        row = tx.execute(
            _CREATE,
            more,
            slug=slug,
            name=name.strip(),
            sender_name=(sender_name or name).strip(),
            sender=sender,
            reply_to=answers_to,
            postal="\n".join(postal_address.strip().splitlines()),
            language=language,
            design=design,
        ).scalar_one_or_none()
        if row is None:
            raise Conflict(f"There is a newsletter {slug!r} already.")
        audit(tx, actor, "create", f"newsletter {row}")
    return int(row)


def _check_newsletter(
    slug: str,
    name: str,
    sender_name: str | None,
    postal_address: str,
    tracking_policy: str,
    brand_colour: str,
    design: str,
    addresses: tuple[str, str | None],
) -> tuple[str | None, str | None]:
    """The sender's and the reply-to address, tidied. Raises Invalid with every problem."""
    problems = _problems(slug, name, sender_name, postal_address, tracking_policy, brand_colour, design)
    found: list[str | None] = []
    for what, address in zip(("sender", "reply-to"), addresses, strict=True):
        try:
            found.append(normalise(address).as_typed_clean if address else None)
        except AddressError as error:
            problems.append(f"The {what} address: {error}")
    if problems:
        raise Invalid(*problems)
    return found[0], found[1]


def _problems(
    slug: str,
    name: str,
    sender_name: str | None,
    postal_address: str,
    tracking_policy: str,
    brand_colour: str,
    design: str,
) -> list[str]:
    problems = []
    if not _SLUG.fullmatch(slug):
        problems.append(f"The slug {slug!r} must have 1 to 40 lower-case letters, digits and hyphens.")
    texts = {"name": name, "sender name": sender_name or name, "postal address": " ".join(postal_address.splitlines())}
    problems += [
        f"The {what} has a control character; remove it." for what, text in texts.items() if _CONTROL.search(text)
    ]
    problems += [f"The {what} is empty." for what, text in texts.items() if not text.strip()]
    if tracking_policy not in TRACKING_POLICIES:
        problems.append(f"The tracking policy must be one of {', '.join(TRACKING_POLICIES)}.")
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", brand_colour):
        problems.append("The brand colour must be written like #1f3a5f.")
    problems += looks.design_problems(design)
    return problems


def find_newsletter(called: str) -> int:
    """The id of the newsletter of this slug or, if there is none, of this name. Raises NotFound, naming those there are, and
    Conflict when several bear the name."""
    with transaction() as tx:
        rows = tx.execute("SELECT id, slug, name FROM newsletters ORDER BY slug").all()
    by_slug = [row.id for row in rows if row.slug == called]
    by_name = [row.id for row in rows if row.name.casefold() == called.strip().casefold()]
    found = by_slug or by_name or [row.id for row in rows if row.slug == slug_of(called)]
    if len(found) > 1:
        raise Conflict(
            f"Several newsletters are called {called!r}. Name the one you mean by its slug: {', '.join(row.slug for row in rows if row.id in found)}."
        )
    if not found:
        there = (
            f"There are: {', '.join(row.slug for row in rows)}."
            if rows
            else "There is none yet: `broadsheet newsletter create --help`."
        )
        raise NotFound(f"There is no newsletter {called!r}. {there}")
    return int(found[0])


def check_sender(newsletter_id: int, *, sender_address: str | None, postal_address: str | None) -> None:
    """Refuse a sender or postal address that is not the newsletter's, rather than pass over it. Raises Conflict."""
    with transaction() as tx:
        row = (
            tx.execute("SELECT slug, sender_address, postal_address FROM newsletters WHERE id = :id", id=newsletter_id)
            .mappings()
            .one()
        )
    for what, given, known in (
        ("sender", sender_address, row["sender_address"]),
        ("postal address", postal_address, row["postal_address"]),
    ):
        if given and given.strip() != known:
            raise Conflict(
                f"The newsletter {row['slug']!r} exists with the {what} {known!r}. Leave the option out, or name another newsletter."
            )
