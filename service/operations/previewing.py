"""A mail as one reader would get it, without sending it: of an issue as it is frozen, or of a file. Everything is as in the real
mail but the leave link, which leads nowhere: to look at a mail must not make anybody leave."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from service.clients import media
from service.db import Transaction, transaction
from service.domain.addresses import AddressError, normalise
from service.domain.choosing import Choice, choose
from service.domain.personalisation import LEAVE_URL, READER_FIELDS, TODAY, Tag, resolve
from service.errors import Invalid, NotFound
from service.languages import format_day
from service.operations import authoring
from service.operations.authoring import Source
from service.operations.authoring_variants import Variant, all_warnings
from service.operations.requests import MEDIA_ORIGIN
from service.rendering.mime import Mail, raw
from service.rendering.web_version import put
from service.settings import current

_STORED = re.compile(rf"{re.escape(MEDIA_ORIGIN)}/([0-9a-f]{{64}})")
_NOBODY = ("", "reader@reader.invalid")
_READER = """
    SELECT s.address, s.first_name, s.last_name, s.language, s.attributes FROM subscribers s
    WHERE s.normalised_address = :address AND EXISTS (
        SELECT FROM subscriptions n WHERE n.subscriber_id = s.id AND n.newsletter_id = :newsletter
    )
"""
_ISSUE = """
    SELECT i.id, i.newsletter_id, i.source, i.versions, i.sender_name, i.sender_address, i.reply_to, w.slug, w.has_archive AND i.in_archive AS is_on_web
    FROM issues i JOIN newsletters w ON w.id = i.newsletter_id WHERE i.id = :issue
"""


@dataclass(frozen=True)
class Preview:
    """One reader's copy. `missing`: the fields without a value or default, for which they would get none; `html` shows pictures
    from this machine, `mail` has the addresses that readers are sent."""

    variant: str
    source: str
    mail: Mail
    html: str
    missing: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def mime(self) -> bytes:
        return raw(self.mail)


@dataclass(frozen=True)
class _Version:
    """A variant before anybody's values: frozen, or rendered just now."""

    name: str
    choice: Choice
    subject: str
    html: str
    text: str
    tags: tuple[Tag, ...]


def preview_issue(issue_id: int, *, reader: str | None = None, variant: str | None = None) -> Preview:
    """The copy of an issue. `reader` is an address of the newsletter's. `variant` comes before the one that the reader would get.
    Raises NotFound."""
    with transaction() as tx:
        issue = tx.execute(_ISSUE, issue=issue_id).mappings().one_or_none()
        if issue is None:
            raise NotFound(f"There is no issue {issue_id}.")
        rows = tx.execute(
            "SELECT name, language, conditions, subject, html, text, tags FROM variants WHERE issue_id = :issue ORDER BY position",
            issue=issue_id,
        ).all()
        versions = [_frozen(row) for row in rows]
        person = _person(tx, issue["newsletter_id"], reader)
    page = f"{current().public_url}/n/{issue['slug']}/{issue_id}" if issue["is_on_web"] else None
    chosen = _choose(versions, variant, person)
    written = issue["versions"].get(chosen.choice.language, issue["source"])
    return _preview(chosen, dict(issue), written, person, page)


def preview_source(
    source: Source,
    *,
    newsletter_id: int | None = None,
    reader: str | None = None,
    variant: str | None = None,
    subject: str | None = None,
    fields: frozenset[str] = frozenset(),
) -> Preview:
    """The copy of a file; keeps nothing. Without a newsletter, and then without servers, for nobody in particular. Raises Invalid
    with every problem, and NotFound."""
    newsletter: dict[str, Any] = {
        "slug": "newsletter",
        **vars(authoring.NO_NEWSLETTER),
        "sender_address": None,
        "reply_to": None,
    }
    masthead, person, page = authoring.NO_NEWSLETTER, None, None
    if newsletter_id is not None:
        with transaction() as tx:
            newsletter = dict(tx.execute("SELECT * FROM newsletters WHERE id = :id", id=newsletter_id).mappings().one())
            fields |= authoring.fields_of(tx, newsletter_id)
            person = _person(tx, newsletter_id, reader)
        masthead = authoring.masthead_of(newsletter)
        page = f"{current().public_url}/n/{newsletter['slug']}/archive" if masthead.has_archive else None
    elif reader is not None:
        raise Invalid("A reader belongs to a newsletter. Name it with --newsletter.")
    variants = authoring.render_variants(source, masthead, subject=subject, fields=fields, keep_pictures=False)
    chosen = _choose([_rendered(one) for one in variants], variant, person)
    found = _preview(chosen, newsletter, _written(source, chosen), person, page, all_warnings(variants))
    return replace(found, html=authoring.with_pictures(found.html, source))


def _frozen(row: Any) -> _Version:
    tags = tuple(Tag.from_json(tag) for tag in row.tags)
    return _Version(row.name, Choice(row.language, tuple(row.conditions)), row.subject, row.html, row.text, tags)


def _rendered(variant: Variant) -> _Version:
    page = variant.rendered
    choice = Choice(variant.language, tuple(variant.alternatives))
    return _Version(variant.name, choice, page.subject, page.html, page.text, page.tags)


def _written(source: Source, version: _Version) -> str:
    """The author's text in the variant's language."""
    return source.versions.get(version.choice.language, source).markdown


def _preview(
    version: _Version,
    issue: Mapping[str, Any],
    source: str,
    person: Mapping[str, Any] | None,
    page: str | None,
    warnings: tuple[str, ...] = (),
) -> Preview:
    leave_url = f"{current().public_url}/u/preview"
    shown, missing = _values(version, person, leave_url)

    def filled(part: str) -> str:
        for placeholder, value in shown.items():
            part = part.replace(placeholder, value)
        return part

    html, text = (filled(put(part, page)) for part in (version.html, version.text))
    host = current().public_url.split("://", 1)[-1].split(":", 1)[0]
    name = " ".join(filter(None, (person["first_name"], person["last_name"]))) if person else ""
    mail = Mail(
        sender=(issue["sender_name"], issue["sender_address"] or "newsletter@newsletter.invalid"),
        reader=(name, person["address"]) if person else _NOBODY,
        reply_to=issue["reply_to"],
        subject=filled(version.subject),
        text=text,
        html=_STORED.sub(rf"{current().public_url}/media/\1", html).replace(MEDIA_ORIGIN, "file://"),
        leave_url=leave_url,
        list_id=f"<{issue['slug']}.{host}>",
    )
    return Preview(version.name, source, mail, _from_here(html), missing, warnings)


def _values(
    version: _Version, person: Mapping[str, Any] | None, leave_url: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Placeholder → what this reader sees; and the fields that have nothing to show, whose names are shown instead."""
    shown: dict[str, str] = {}
    missing: dict[str, None] = {}
    for tag in version.tags:
        raw_value = leave_url if tag.field == LEAVE_URL else _raw(person, tag.field)
        value = resolve(tag, raw_value, lambda day, form: format_day(day, form, version.choice.language))
        if value is None:
            missing.setdefault(tag.field)
        shown[tag.placeholder] = f"[{tag.field}]" if value is None else value
    return shown, tuple(missing)


def _raw(person: Mapping[str, Any] | None, field: str) -> str | None:
    if field == TODAY:
        return datetime.now(UTC).date().isoformat()
    if person is None:
        return None
    value = person[field] if field in READER_FIELDS else person["attributes"].get(field)
    return None if value is None else str(value)


def _choose(versions: list[_Version], name: str | None, person: Mapping[str, Any] | None) -> _Version:
    """The variant of that name, else the one that the freeze would choose for the reader, else the first."""
    if name is not None:
        found = [one for one in versions if name in (one.name, one.choice.language)]
        if not found:
            there = ", ".join(one.name for one in versions)
            raise NotFound(f"There is no variant {name!r} of this issue. There are: {there}.")
        return found[0]
    if person is None:
        return versions[0]
    known = {**person["attributes"], **{field: person[field] for field in READER_FIELDS}}
    values = {field: None if value is None else str(value) for field, value in known.items()}
    return versions[choose([one.choice for one in versions], values)]


def _person(tx: Transaction, newsletter_id: int, address: str | None) -> Mapping[str, Any] | None:
    if address is None:
        return None
    try:
        normalised = normalise(address).normalised
    except AddressError as error:
        raise Invalid(f"--reader: {error}") from None
    row = tx.execute(_READER, address=normalised, newsletter=newsletter_id).mappings().one_or_none()
    if row is None:
        raise NotFound("The newsletter has no reader of that address. Name one who is in it, whatever their state.")
    return dict(row)


def _from_here(html: str) -> str:
    """The pictures that are kept, and those beside the text, from the files of this machine."""

    def local(found: re.Match[str]) -> str:
        stored = media.find(found[1])
        return stored.path.as_uri() if stored else found[0]

    return _STORED.sub(local, html).replace(MEDIA_ORIGIN, "file://")
