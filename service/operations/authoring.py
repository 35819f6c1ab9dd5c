"""Issues as a team writes them: everything that can be wrong is found here, before anything is sent."""

import hashlib
import json
import re
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from service.clients import media
from service.db import Transaction, transaction
from service.domain.conditions import tidy
from service.domain.personalisation import LEAVE_URL, resolve
from service.errors import Invalid, NotFound
from service.operations import looks
from service.operations import sources as incoming
from service.operations.auditing import audit
from service.operations.authoring_variants import (
    Looked,
    Variant,
    all_warnings,
    content_hash,
    examine_all,
    insert_variants,
    render_all,
)
from service.operations.requests import MEDIA_ORIGIN
from service.rendering import front_matter
from service.rendering.drafts import Draft, draft_from_text
from service.rendering.newsletter import Masthead, Picture, Rendered
from service.rendering.variants import Text
from service.settings import current

LARGEST_SOURCE = 2 * 1024 * 1024
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


@dataclass(frozen=True)
class Source:
    """What a team wrote: Markdown, and where its pictures lie. `draft`: how a file that is no Markdown was understood;
    `pictures`: those that came inside it. `versions`: language → the same issue in another language than the newsletter's."""

    markdown: str
    folder: Path
    draft: Draft | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    versions: Mapping[str, "Source"] = field(default_factory=dict)


def read_source(path: Path) -> Source:
    """Read a file of any kind that authors hand in. Raises Invalid with what is wrong and what to do."""
    if incoming.is_incoming(path):
        draft = incoming.read_incoming(path)
        return Source(draft.markdown, path.parent, draft, draft.pictures)
    if path.suffix.lower() not in (".md", ".markdown", ".txt"):
        raise Invalid(incoming.refusal(path))
    try:
        if not path.is_file():
            raise Invalid(
                f"{path.name} {'is a folder' if path.is_dir() else 'is no file' if path.exists() else 'is not there'}. Name a {incoming.KINDS} file."
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


NO_NEWSLETTER = Masthead("Your newsletter", "Your newsletter", "Your postal address", has_archive=True)
"""Stands in where none is named. With an archive, for the text may ask for one; as no page of it is known, its line is not shown
and notes stay in the mail."""


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
        logo=looks.logo(row["logo"]),
        designs=current().designs,
        subject_prefix=row["subject_prefix"],
    )


def read_versions(source: Source, paths: Mapping[str, Path]) -> Source:
    """The source with its versions in other languages, language → file. Raises Invalid with every problem."""
    problems: list[str] = []
    versions: dict[str, Source] = {}
    for language, path in paths.items():
        if not LANGUAGE.fullmatch(language):
            problems.append(f"“{language}” is no language; write its tag, such as de or zh-Hans.")
        try:
            versions[language] = read_source(path)
        except Invalid as error:
            problems += error.problems
    if len({tidy("language", language) for language in paths}) < len(paths):
        problems.append("Two versions are in one language. Give each language one file.")
    if problems:
        raise Invalid(*problems)
    return replace(source, versions=versions)


def render_variants(
    source: Source, masthead: Masthead, *, subject: str | None, fields: frozenset[str], keep_pictures: bool
) -> list[Variant]:
    """Render what the team wrote, once for each variant; the first is for readers of whom nothing is known. `subject` is the main
    text's. Raises Invalid with every problem. `keep_pictures`: store them, to be served."""
    texts, picture = _texts(source, masthead, subject, keep=keep_pictures)
    return render_all(texts, masthead, fields=fields, picture=picture)


def examine_variants(source: Source, masthead: Masthead, *, fields: frozenset[str]) -> list[Looked]:
    """The same, going on behind problems to find all of them; stores no picture. Raises Invalid where no variant can be made."""
    texts, picture = _texts(source, masthead, None, keep=False)
    return examine_all(texts, masthead, fields=fields, picture=picture)


def _texts(
    source: Source, masthead: Masthead, subject: str | None, *, keep: bool, seen: dict[str, Picture] | None = None
) -> tuple[dict[str, Text], Callable[[str, str], Picture]]:
    """Language → text, the newsletter's own first; and what finds a picture of a language's text."""
    if any(tidy("language", language) == tidy("language", masthead.language) for language in source.versions):
        raise Invalid(
            f"The main file is the newsletter's language, {masthead.language}, already. Leave that version out, or make it the main file."
        )
    by_tag = sorted(source.versions.items(), key=lambda one: tidy("language", one[0]))
    sources = {masthead.language: source, **dict(by_tag)}
    texts = {
        language: Text(one.markdown, (subject if one is source else None) or (one.draft.title if one.draft else None))
        for language, one in sources.items()
    }

    def picture(language: str, name: str) -> Picture:
        found = _picture(sources[language], name, keep=keep)
        if seen is not None:
            seen[name] = found
        return found

    return texts, picture


def _picture(source: Source, name: str, *, keep: bool) -> Picture:
    """A picture that came with the text or lies beside it; never one from elsewhere on this machine."""
    path = (source.folder / PurePosixPath(name)).resolve()
    if not path.is_relative_to(source.folder.resolve()):
        raise Invalid(f"The picture {name} lies outside the issue's folder. Put it beside the text.")
    try:
        content = source.pictures[name] if name in source.pictures else path.read_bytes()
    except OSError as error:
        raise Invalid(f"The picture {name} cannot be read beside the text: {error.strerror}.") from None
    if not keep:
        stored = media.inspect(content, called=name)
        return Picture(path.as_uri().replace("file://", MEDIA_ORIGIN), stored.width, stored.height)
    return stored_picture(content, name)


def create_issue(
    source: Source,
    *,
    newsletter_id: int,
    actor: str,
    subject: str | None = None,
    audience: Mapping[str, Any] | None = None,
) -> tuple[int, Rendered]:
    """Create a draft issue: rendered, inlined and checked. Its id, and what readers get of whom nothing is known, with the
    warnings about all variants. Raises Invalid with every problem, and NotFound."""
    with transaction() as tx:
        newsletter = newsletter_of(tx, newsletter_id)
        fields = fields_of(tx, newsletter_id)
    pictures: dict[str, Picture] = {}
    texts, picture = _texts(source, masthead_of(newsletter), subject, keep=True, seen=pictures)
    variants = render_all(texts, masthead_of(newsletter), fields=fields, picture=picture)
    with transaction() as tx:
        first = variants[0].rendered
        written = replace(
            source, markdown=front_matter.with_subject(source.markdown, subject) if subject else source.markdown
        )
        issue_id = _insert(
            tx,
            newsletter,
            written,
            without_reader(first, first.subject),
            content_hash(newsletter, variants),
            dict(audience or {}),
        )
        insert_variants(tx, issue_id, variants)
        _remember(tx, issue_id, source, pictures, actor)
        audit(tx, actor, "create", f"issue {issue_id}")
    return issue_id, replace(variants[0].rendered, warnings=all_warnings(variants))


def _remember(tx: Transaction, issue_id: int, source: Source, pictures: Mapping[str, Picture], actor: str) -> None:
    """What the web application goes on writing from: the first text, and where its pictures are."""
    tx.execute(
        """INSERT INTO issue_versions (issue_id, number, source, versions, actor, why)
           SELECT id, 1, source, versions, :actor, 'made' FROM issues WHERE id = :id""",
        id=issue_id,
        actor=actor,
    )
    for name, picture in pictures.items():
        keep_picture(tx, issue_id, name, picture)


def keep_picture(tx: Transaction, issue_id: int, name: str, picture: Picture) -> None:
    """Let the issue's text name this stored picture."""
    tx.execute(
        """INSERT INTO issue_pictures (issue_id, name, media, width, height) VALUES (:issue, :name, :media, :width, :height)
           ON CONFLICT (issue_id, name) DO UPDATE SET media = excluded.media, width = excluded.width, height = excluded.height""",
        issue=issue_id,
        name=name,
        media=picture.url.rpartition("/")[2],
        width=picture.width,
        height=picture.height,
    )


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


def with_pictures(page: str, source: Source) -> str:
    """A rendered page, to be looked at, with the pictures that came inside the texts."""
    for text in (source, *source.versions.values()):
        page = incoming.shown(page, text.pictures, text.folder)
    return page


def newsletter_of(tx: Transaction, newsletter_id: int) -> dict[str, Any]:
    row = tx.execute("SELECT * FROM newsletters WHERE id = :id", id=newsletter_id).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no newsletter {newsletter_id}.")
    return dict(row)


def fields_of(tx: Transaction, newsletter_id: int) -> frozenset[str]:
    """The attributes that readers of the newsletter have, or had: what an author may use beside the names."""
    rows = tx.execute("SELECT name FROM newsletter_fields WHERE newsletter_id = :id", id=newsletter_id)
    return frozenset(rows.scalars())


def audience_hash(audience: Mapping[str, Any], tracking_policy: str) -> bytes:
    """Over who is meant, and what is recorded of them."""
    return hashlib.sha256(json.dumps([dict(audience), tracking_policy], sort_keys=True).encode()).digest()


def put_audience(tx: Transaction, issue_id: int, audience: Mapping[str, Any], tracking_policy: str) -> None:
    """Let the issue be for these. An approval was given for others, and ends."""
    tx.execute(
        """UPDATE issues SET audience = CAST(:audience AS jsonb), audience_hash = :hash, state = 'draft',
               state_reason = CASE WHEN state = 'approved' THEN 'changed since it was approved' ELSE state_reason END WHERE id = :id""",
        id=issue_id,
        audience=json.dumps(dict(audience)),
        hash=audience_hash(audience, tracking_policy),
    )


def insert_unrendered(tx: Transaction, newsletter: Mapping[str, Any], markdown: str) -> int:
    """A draft of which nothing has been rendered yet; its id."""
    content = hashlib.sha256(markdown.encode()).digest()
    return _insert(
        tx, newsletter, Source(markdown, Path("/nonexistent")), front_matter.split(markdown).subject, content, {}
    )


def stored_picture(content: bytes, name: str) -> Picture:
    """Keep a picture, to be served. Raises Invalid for what is none, or too large."""
    stored = media.store(content, called=name)
    return Picture(f"{MEDIA_ORIGIN}/{stored.name}", stored.width, stored.height)


def _insert(
    tx: Transaction,
    newsletter: Mapping[str, Any],
    source: Source,
    subject: str,
    content: bytes,
    audience: dict[str, Any],
) -> int:
    alphabet = string.ascii_letters + string.digits
    policy = newsletter["tracking_policy"]
    issue_id: int = tx.execute(
        """INSERT INTO issues (newsletter_id, subject, source, versions, content_hash, audience, audience_hash, sender_name, sender_address, reply_to, tracking_policy, marker, in_archive)
           VALUES (:newsletter, :subject, :source, CAST(:versions AS jsonb), :hash, CAST(:audience AS jsonb), :audience_hash, :sender_name, :sender_address, :reply_to, :policy, :marker, :in_archive) RETURNING id""",
        newsletter=newsletter["id"],
        subject=subject,
        source=source.markdown,
        versions=json.dumps({language: one.markdown for language, one in source.versions.items()}),
        hash=content,
        audience=json.dumps(audience),
        audience_hash=audience_hash(audience, policy),
        sender_name=newsletter["sender_name"],
        sender_address=newsletter["sender_address"],
        reply_to=newsletter["reply_to"],
        policy=policy,
        marker="".join(secrets.choice(alphabet) for _ in range(10)),
        in_archive=newsletter["has_archive"],
    ).scalar_one()
    return issue_id
