"""Newsletters and issues as a team writes them: everything that can be wrong is found here, before anything is sent."""

import hashlib
import json
import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from service.clients import media
from service.db import Transaction, transaction
from service.domain.addresses import AddressError, normalise
from service.domain.personalisation import LEAVE_URL, resolve
from service.errors import Conflict, Invalid, NotFound
from service.operations.auditing import audit
from service.operations.requests import MEDIA_ORIGIN
from service.rendering.drafts import Draft, draft_from_text
from service.rendering.newsletter import Masthead, Picture, Rendered, RenderError, local_pictures, render
from service.rendering.web_version import put

LARGEST_SOURCE = 2 * 1024 * 1024
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
TRACKING_POLICIES = ("agreed", "not-objected", "none")


@dataclass(frozen=True)
class Source:
    """What a team wrote: Markdown, and where its pictures lie. `draft`: how a plain-text file was understood."""

    markdown: str
    folder: Path
    draft: Draft | None = None


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
) -> int:
    """Create a newsletter; its id. Raises Invalid with every problem, and Conflict when the slug is taken."""
    sender, answers_to = _check_newsletter(
        slug, name, sender_name or name, postal_address, tracking_policy, brand_colour, (sender_address, reply_to)
    )
    with transaction() as tx:
        row = tx.execute(
            """INSERT INTO newsletters (slug, name, sender_name, sender_address, reply_to, postal_address, language, tracking_policy, brand_colour, maximum_audience, accepts_signups)
               VALUES (:slug, :name, :sender_name, :sender, :reply_to, :postal, :language, :policy, :colour, :maximum, :signups)
               ON CONFLICT (slug) DO NOTHING RETURNING id""",
            slug=slug,
            name=name.strip(),
            sender_name=(sender_name or name).strip(),
            sender=sender,
            reply_to=answers_to,
            postal=postal_address.strip(),
            language=language,
            policy=tracking_policy,
            colour=brand_colour,
            maximum=maximum_audience,
            signups=accepts_signups,
        ).scalar_one_or_none()
        if row is None:
            raise Conflict(f"There is a newsletter {slug!r} already.")
        audit(tx, actor, "create", f"newsletter {row}")
    return int(row)


def _check_newsletter(
    slug: str,
    name: str,
    sender_name: str,
    postal_address: str,
    tracking_policy: str,
    brand_colour: str,
    addresses: tuple[str, str | None],
) -> tuple[str | None, str | None]:
    """The sender's and the reply-to address, tidied. Raises Invalid with every problem."""
    problems = []
    if not _SLUG.fullmatch(slug):
        problems.append(f"The slug {slug!r} must have 1 to 40 lower-case letters, digits and hyphens.")
    texts = {"name": name, "sender name": sender_name, "postal address": postal_address.replace("\n", " ")}
    problems += [
        f"The {what} has a control character; remove it." for what, text in texts.items() if _CONTROL.search(text)
    ]
    problems += [f"The {what} is empty." for what, text in texts.items() if not text.strip()]
    if tracking_policy not in TRACKING_POLICIES:
        problems.append(f"The tracking policy must be one of {', '.join(TRACKING_POLICIES)}.")
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", brand_colour):
        problems.append("The brand colour must be written like #1f3a5f.")
    found: list[str | None] = []
    for what, address in zip(("sender", "reply-to"), addresses, strict=True):
        try:
            found.append(normalise(address).as_typed_clean if address else None)
        except AddressError as error:
            problems.append(f"The {what} address: {error}")
    if problems:
        raise Invalid(*problems)
    return found[0], found[1]


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
        row = _newsletter(tx, newsletter_id)
    for what, given, known in (
        ("sender", sender_address, row["sender_address"]),
        ("postal address", postal_address, row["postal_address"]),
    ):
        if given and given.strip() != known:
            raise Conflict(
                f"The newsletter {row['slug']!r} exists with the {what} {known!r}. Leave the option out, or name another newsletter."
            )


def read_source(path: Path) -> Source:
    """Read a .md or .txt file. Raises Invalid with what is wrong and what to do."""
    if path.suffix.lower() not in (".md", ".markdown", ".txt"):
        raise Invalid(f"{path.name}: an issue is written as .md or .txt.")
    try:
        if not path.is_file():
            raise Invalid(
                f"{path.name} {'is a folder' if path.is_dir() else 'is no file' if path.exists() else 'is not there'}. Name a .md or .txt file."
            )
        if path.stat().st_size > LARGEST_SOURCE:
            raise Invalid(
                f"{path.name} has {path.stat().st_size // 1024:,} KB; an issue's text may have {LARGEST_SOURCE // 1024:,}."
            )
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"{path.name} is not UTF-8 (byte {error.start:,}). Save it as UTF-8.") from None
    except OSError as error:
        raise Invalid(f"{path.name} cannot be read: {error.strerror}.") from None
    if "\x00" in text:
        raise Invalid(
            f"{path.name}, line {text[: text.index(chr(0))].count(chr(10)) + 1}: a NUL byte. This is not a text file, or it is damaged."
        )
    if path.suffix.lower() != ".txt":
        return Source(text, path.parent)
    draft = draft_from_text(text)
    return Source(draft.markdown, path.parent, draft)


def masthead_of(row: Mapping[str, Any]) -> Masthead:
    """What of a newsletter shows in each of its mails."""
    return Masthead(
        name=row["name"],
        sender_name=row["sender_name"],
        postal_address=row["postal_address"],
        language=row["language"],
        design=row["design"],
        brand_colour=row["brand_colour"],
        has_archive=row["has_archive"],
    )


def render_source(
    source: Source, masthead: Masthead, *, subject: str | None, fields: frozenset[str], keep_pictures: bool
) -> Rendered:
    """Render what the team wrote. Raises Invalid with every problem. `keep_pictures`: store them, to be served."""
    problems: list[str] = []
    pictures: dict[str, Picture] = {}
    for name in local_pictures(source.markdown):
        try:
            pictures[name] = _picture(source.folder, name, keep=keep_pictures)
        except Invalid as error:
            problems += error.problems
    subject = subject or (source.draft.title if source.draft else None)
    try:
        rendered = render(source.markdown, masthead, subject=subject, fields=fields, pictures=pictures)
    except RenderError as error:
        missing = set(local_pictures(source.markdown)) - pictures.keys()
        raise Invalid(*problems, *(p for p in error.problems if not any(name in p for name in missing))) from None
    if problems:
        raise Invalid(*problems)
    return rendered


def _picture(folder: Path, name: str, *, keep: bool) -> Picture:
    """A picture beside the Markdown; never one from elsewhere on this machine."""
    path = (folder / PurePosixPath(name)).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise Invalid(f"The picture {name} lies outside the issue's folder. Put it beside the text.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Invalid(f"The picture {name} cannot be read beside the text: {error.strerror}.") from None
    if not keep:
        stored = media.inspect(content, called=name)
        return Picture(path.as_uri().replace("file://", MEDIA_ORIGIN), stored.width, stored.height)
    stored = media.store(content, called=name)
    return Picture(f"{MEDIA_ORIGIN}/{stored.name}", stored.width, stored.height)


def create_issue(
    source: Source,
    *,
    newsletter_id: int,
    actor: str,
    subject: str | None = None,
    audience: Mapping[str, Any] | None = None,
) -> tuple[int, Rendered]:
    """Create a draft issue: rendered, inlined and checked. Raises Invalid with every problem, and NotFound."""
    with transaction() as tx:
        newsletter = _newsletter(tx, newsletter_id)
        fields = _fields(tx, newsletter_id)
    rendered = render_source(source, masthead_of(newsletter), subject=subject, fields=fields, keep_pictures=True)
    with transaction() as tx:
        issue_id = _insert(tx, newsletter, source, rendered, dict(audience or {}))
        audit(tx, actor, "create", f"issue {issue_id}")
    return issue_id, rendered


def discard_draft(issue_id: int) -> None:
    """Remove an issue that nobody has scheduled."""
    with transaction() as tx:
        tx.execute("DELETE FROM issues WHERE id = :id AND state = 'draft'", id=issue_id)


def without_reader(rendered: Rendered, text: str) -> str:
    """A part of the mail as a reader without any values would get it: every tag shows its fallback, or its name; pictures are
    those beside the text."""
    for tag in rendered.tags:
        shown = "#leave" if tag.field == LEAVE_URL else resolve(tag, None)
        text = text.replace(tag.placeholder, f"[{tag.field}]" if shown is None else shown)
    return text.replace(MEDIA_ORIGIN, "file://")


def _newsletter(tx: Transaction, newsletter_id: int) -> dict[str, Any]:
    row = tx.execute("SELECT * FROM newsletters WHERE id = :id", id=newsletter_id).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no newsletter {newsletter_id}.")
    return dict(row)


def _fields(tx: Transaction, newsletter_id: int) -> frozenset[str]:
    """The attributes that readers of the newsletter have: what an author may use beside the names."""
    rows = tx.execute(
        """SELECT DISTINCT k FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id, jsonb_object_keys(s.attributes) AS k
           WHERE n.newsletter_id = :id""",
        id=newsletter_id,
    )
    return frozenset(rows.scalars())


def content_hash(newsletter: Mapping[str, Any], rendered: Rendered) -> bytes:
    """Over everything that a reader would see: HTML, text, subject, preheader, sender, reply-to and the tags' fallbacks. Not over
    the line that leads to the archive: who opens one must not send the same words twice."""
    content = [
        put(rendered.html, None),
        put(rendered.text, None),
        rendered.subject,
        rendered.preheader,
        newsletter["sender_name"],
        newsletter["sender_address"],
        newsletter["reply_to"],
        [tag.to_json() for tag in rendered.tags],
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).digest()


def _insert(
    tx: Transaction, newsletter: Mapping[str, Any], source: Source, rendered: Rendered, audience: dict[str, Any]
) -> int:
    alphabet = string.ascii_letters + string.digits
    policy = newsletter["tracking_policy"]
    issue_id: int = tx.execute(
        """INSERT INTO issues (newsletter_id, subject, source, content_hash, audience, audience_hash, sender_name, sender_address, reply_to, tracking_policy, marker, in_archive)
           VALUES (:newsletter, :subject, :source, :hash, CAST(:audience AS jsonb), :audience_hash, :sender_name, :sender_address, :reply_to, :policy, :marker, :in_archive) RETURNING id""",
        newsletter=newsletter["id"],
        subject=without_reader(rendered, rendered.subject),
        source=source.markdown,
        hash=content_hash(newsletter, rendered),
        audience=json.dumps(audience),
        audience_hash=hashlib.sha256(json.dumps([audience, policy], sort_keys=True).encode()).digest(),
        sender_name=newsletter["sender_name"],
        sender_address=newsletter["sender_address"],
        reply_to=newsletter["reply_to"],
        policy=policy,
        marker="".join(secrets.choice(alphabet) for _ in range(10)),
        in_archive=newsletter["has_archive"],
    ).scalar_one()
    tx.execute(
        """INSERT INTO variants (issue_id, language, subject, preheader, html, text, tags)
           VALUES (:issue, :language, :subject, :preheader, :html, :text, CAST(:tags AS jsonb))""",
        issue=issue_id,
        language=newsletter["language"],
        subject=rendered.subject,
        preheader=rendered.preheader,
        html=rendered.html,
        text=rendered.text,
        tags=json.dumps([tag.to_json() for tag in rendered.tags]),
    )
    return issue_id
