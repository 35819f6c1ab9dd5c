"""What a team decides about a newsletter after it was created: how it looks, what its form asks and in which words, who may
read its issues. Everything that is wrong is said at once; every change is audited."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.clients import media
from service.db import Transaction, transaction
from service.domain import newsletter_rules as rules
from service.domain.permissions import Permission
from service.errors import Invalid, NotFound
from service.languages import LANGUAGES, match
from service.operations.auditing import audit
from service.operations.looks import design_problems
from service.operations.permitting import require, within
from service.operations.wordings import PURPOSES, Wording, choose

_ADDRESSES = ("reply_to", "sender_address", "seeds")
"""Settings that an audit entry tells of without what they are."""
LARGEST_LOGO = 512 * 1024
"""Bytes: it is on every page."""

_CHANGE = """
    UPDATE newsletters w SET (name, description, postal_address, privacy_url, reply_to, brand_colour, time_zone, tracking_policy,
        signup_fields, allowed_origins, welcome, accepts_signups, has_archive, needs_export_consent, logo, design, sender_name,
        sender_address, subject_prefix, undo_seconds, typed_above, maximum_audience, needs_approval, seeds)
    = (SELECT r.name, r.description, r.postal_address, r.privacy_url, r.reply_to, r.brand_colour, r.time_zone, r.tracking_policy,
        r.signup_fields, r.allowed_origins, r.welcome, r.accepts_signups, r.has_archive, r.needs_export_consent, r.logo, r.design, r.sender_name,
        r.sender_address, r.subject_prefix, r.undo_seconds, r.typed_above, r.maximum_audience, r.needs_approval, r.seeds
       FROM jsonb_populate_record(w, CAST(:changes AS jsonb)) r)
    WHERE w.id = :id
"""
_READERS = """
    SELECT count(*) AS active, count(*) FILTER (WHERE export_consent <> 'agreed') AS without_export_consent
    FROM (SELECT export_consent FROM subscriptions WHERE newsletter_id = :id AND state = 'active' LIMIT CAST(:most AS bigint)) r
"""


def change(slug: str, *, actor: str, **fields: Any) -> dict[str, Any]:
    """Change what is given and nothing else; the settings as they are then, as `show` gives them. `logo` is a file, or None to
    have none; `welcome` is a text, "" for ours, None for no welcome mail.

    Raises Invalid with every problem, NotFound, Forbidden.
    """
    with transaction() as tx:
        require(actor, Permission.CONFIGURE, row_of(tx, slug, actor)["id"])
    changes, problems = _checked(fields)
    try:
        if fields.get("logo") is not None:
            changes["logo"] = _store_logo(Path(fields["logo"]), keep=not problems)
    except Invalid as error:
        problems += error.problems
    if problems:
        raise Invalid(*problems)
    with transaction() as tx:
        before = _locked(tx, slug, actor)
        differing = {name: value for name, value in changes.items() if before[name] != value}
        if differing:
            tx.execute(_CHANGE, changes=json.dumps(differing), id=before["id"])
            told = {name: "changed" if name in _ADDRESSES else value for name, value in differing.items()}
            audit(tx, actor, "change", f"newsletter {before['id']}", **told)
    return show(slug)


def show(slug: str, *, actor: str = "console", most: int | None = None) -> dict[str, Any]:
    """A newsletter's settings, and how many readers it has; `most`: count no further. Raises NotFound."""
    with transaction() as tx:
        row = row_of(tx, slug, actor)
        readers = tx.execute(_READERS, id=row["id"], most=most).mappings().one()
    row["created_at"] = row["created_at"].isoformat()
    return row | {"readers": dict(readers)}


def wordings(slug: str, *, actor: str = "console") -> dict[str, dict[str, Wording]]:
    """Language → purpose → the words that a reader of that language is shown today. Raises NotFound."""
    with transaction() as tx:
        row = row_of(tx, slug, actor)
        own = tx.execute(
            "SELECT purpose, language, wording FROM newsletter_wordings WHERE newsletter_id = :id", id=row["id"]
        ).all()
    return {language: choose(row, [tuple(one) for one in own], language) for language in LANGUAGES}


def set_wording(slug: str, purpose: str, language: str, text: str | None, *, actor: str) -> None:
    """From now on, show these words beside the box for a purpose; None: ours again. Who agreed before agreed to the words of
    then, which are kept. Raises Invalid, NotFound."""
    with transaction() as tx:
        require(actor, Permission.CONFIGURE, row_of(tx, slug, actor)["id"])
    tag = match(language)
    problems = []
    if purpose not in PURPOSES:
        problems.append(f"The purpose must be one of {', '.join(PURPOSES)}.")
    if tag is None:
        problems.append(f"The language must be one of {', '.join(LANGUAGES)}.")
    try:
        text = None if text is None else rules.text("wording", text)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise Invalid(*problems)
    with transaction() as tx:
        newsletter_id = _locked(tx, slug, actor)["id"]
        key = {"id": newsletter_id, "purpose": purpose, "language": tag}
        tx.execute(
            "DELETE FROM newsletter_wordings WHERE newsletter_id = :id AND purpose = :purpose AND language = :language",
            key,
        )
        if text is not None:
            tx.execute(
                "INSERT INTO newsletter_wordings (newsletter_id, purpose, language, wording) VALUES (:id, :purpose, :language, :text)",
                {**key, "text": text},
            )
        audit(tx, actor, "word", f"newsletter {newsletter_id}", purpose=purpose, language=tag, wording=text)


def _checked(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    changes: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in fields.items():
        if name == "logo":
            changes[name] = None
            continue
        if name == "design":
            changes[name] = value
            problems += design_problems(value)
            continue
        try:
            changes[name] = rules.RULES[name](value)
        except ValueError as error:
            problems.append(str(error))
    return changes, problems


def _store_logo(path: Path, *, keep: bool) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Invalid(f"The logo {path.name} cannot be read: {error.strerror}.") from None
    if not content.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        raise Invalid(f"The logo {path.name} must be a PNG or JPEG picture.")
    if len(content) > LARGEST_LOGO:
        raise Invalid(
            f"The logo {path.name} has {len(content) // 1024:,} KB; it may have {LARGEST_LOGO // 1024:,}. Make it smaller."
        )
    return (media.store if keep else media.inspect)(content, called=path.name).name


def _locked(tx: Transaction, slug: str, actor: str) -> dict[str, Any]:
    tx.execute("SELECT FROM newsletters WHERE slug = :slug FOR UPDATE", slug=slug)
    return row_of(tx, slug, actor)


def row_of(tx: Transaction, slug: str, actor: str) -> dict[str, Any]:
    """The newsletter's row. Raises NotFound, in the same words for a newsletter that is none of the actor's business and for none at
    all; it names those that the actor sees."""
    only = within(actor, Permission.SEE)
    _seen = "(CAST(:only AS bigint[]) IS NULL OR id = ANY(:only))"
    row = tx.execute(f"SELECT * FROM newsletters WHERE slug = :slug AND {_seen}", slug=slug, only=only)
    found = row.mappings().one_or_none()
    if found is None:
        there = tx.execute(f"SELECT slug FROM newsletters WHERE {_seen} ORDER BY slug LIMIT 20", only=only).scalars()
        raise NotFound(f"There is no newsletter {slug!r} that you may see. There are: {', '.join(there) or 'none'}.")
    return dict(found)
