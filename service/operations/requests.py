"""Builds the one request of a batch from frozen content: plain dicts, one personalization a reader, substitutions instead of
rendering. Rebuilds the same bytes every time but for the ids."""

import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from service.clients.sendgrid_events import ATTEMPT_ARGUMENT, DELIVERY_ARGUMENT
from service.db import Transaction
from service.domain.personalisation import LEAVE_URL, Tag, resolve
from service.languages import format_day
from service.rendering.web_version import put
from service.settings import current
from service.tokens import Purpose, Signer

MEDIA_ORIGIN = "https://media.invalid"
"""Stands in frozen content for the place that pictures are served from, so that the content, and its hash, stay the same
when the service moves."""

_CONTENT = """
    SELECT c.tracked, v.id AS variant_id, v.language, i.id AS issue_id, i.marker, i.sender_name, i.sender_address, i.reply_to, i.tracking_policy,
        (SELECT m.language FROM variants m WHERE m.issue_id = i.id ORDER BY m.position LIMIT 1) AS own_language, w.name, w.slug, w.has_archive AND i.in_archive AS has_web_version
    FROM cohorts c JOIN variants v ON v.id = c.variant_id JOIN issues i ON i.id = c.issue_id JOIN newsletters w ON w.id = i.newsletter_id
    WHERE c.id = :cohort
"""


@dataclass(frozen=True)
class Reader:
    """One reader of a batch; `values` are raw, in the order of the tags."""

    delivery_id: int
    subscription_id: int
    address: str
    values: list[str | None] | None


@dataclass(frozen=True)
class Content:
    """A cohort's content, with the issue's markers in place of the placeholders."""

    issue_id: int
    variant_id: int
    language: str
    tracked: bool
    tracking_policy: str
    sender: dict[str, str]
    reply_to: str | None
    list_id: str
    subject: str
    html: str
    text: str
    tags: tuple[Tag, ...]
    markers: tuple[str, ...]


def content_of(tx: Transaction, cohort_id: int) -> Content:
    """The content that a cohort's batches share."""
    row = tx.execute(_CONTENT, cohort=cohort_id).mappings().one()
    host = current().public_url.split("://", 1)[-1].split(":", 1)[0]
    subject, html, text, tags, markers = _variant(tx, row["variant_id"], row["marker"], _web_version(dict(row)))
    return Content(
        issue_id=row["issue_id"],
        variant_id=row["variant_id"],
        language=row["language"],
        tracked=row["tracked"],
        tracking_policy=row["tracking_policy"],
        sender={"email": row["sender_address"], "name": row["sender_name"]},
        reply_to=row["reply_to"],
        list_id=f"<{row['slug']}.{host}>",
        subject=subject,
        html=html,
        text=text,
        tags=tags,
        markers=markers,
    )


_Loaded = tuple[str, str, str, tuple[Tag, ...], tuple[str, ...]]


class _Variants:
    """The last few variants that this process sent. The marker is random per issue, so a key never means two contents."""

    def __init__(self, largest: int) -> None:
        self._kept: dict[tuple[int, str, str | None], _Loaded] = {}
        self._largest = largest

    def get(self, tx: Transaction, variant_id: int, marker: str, web_version: str | None) -> _Loaded:
        key = (variant_id, marker, web_version)
        if (found := self._kept.get(key)) is None:
            found = _load(tx, variant_id, marker, web_version)
            if len(self._kept) >= self._largest:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[key] = found
        return found


_variant = _Variants(32).get


def _web_version(row: dict[str, Any]) -> str | None:
    """The issue's page in the archive, the same for everybody who got this language; None where it is not public: no mail leads
    to nothing."""
    if not row["has_web_version"]:
        return None
    asked = "" if row["language"] == row["own_language"] else f"?lang={row['language']}"
    return f"{current().public_url}/n/{row['slug']}/{row['issue_id']}{asked}"


def _load(tx: Transaction, variant_id: int, marker: str, web_version: str | None) -> _Loaded:
    row = tx.execute("SELECT subject, html, text, tags FROM variants WHERE id = :id", id=variant_id).mappings().one()
    tags = tuple(Tag.from_json(tag) for tag in row["tags"])
    markers = tuple(f"-{marker}-{i}-" for i in range(len(tags)))

    def marked(text: str) -> str:
        for tag, mark in zip(tags, markers, strict=True):
            text = text.replace(tag.placeholder, mark)
        text = put(text, web_version)
        return text.replace(f"{MEDIA_ORIGIN}/", f"{current().public_url}/media/")

    return marked(row["subject"]), marked(row["html"]), marked(row["text"]), tags, markers


def build(content: Content, readers: list[Reader], attempt_id: uuid.UUID) -> dict[str, Any]:
    """The body of POST /v3/mail/send. SendGrid keeps custom_args and categories for long and shows them to its staff: ids of
    ours only."""
    leave = Signer(Purpose.LEAVE)
    prefix = f"{current().public_url}/u/"
    body: dict[str, Any] = {
        "from": content.sender,
        "subject": content.subject,
        "content": [{"type": "text/plain", "value": content.text}, {"type": "text/html", "value": content.html}],
        "categories": [f"i-{content.issue_id}"],
        "custom_args": {ATTEMPT_ARGUMENT: str(attempt_id)},
        "headers": {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "List-Id": content.list_id},
        "tracking_settings": {
            "click_tracking": {"enable": content.tracked, "enable_text": False},
            "open_tracking": {"enable": content.tracked},
            "subscription_tracking": {"enable": False},
        },
        "personalizations": [
            _personalization(content, reader, prefix + leave.sign(reader.subscription_id)) for reader in readers
        ],
    }
    if content.reply_to:
        body["reply_to"] = {"email": content.reply_to}
    return body


def _personalization(content: Content, reader: Reader, leave_url: str) -> dict[str, Any]:
    return {
        "to": [{"email": reader.address}],
        "headers": {"List-Unsubscribe": f"<{leave_url}>"},
        "custom_args": {DELIVERY_ARGUMENT: str(reader.delivery_id)},
        "substitutions": substitutions(content, reader.values, leave_url),
    }


def substitutions(content: Content, values: list[str | None] | None, leave_url: str) -> dict[str, str]:
    """Marker → value for one reader: escaped for where it lands, and free of markers, so that none is replaced twice."""
    stem = content.markers[0].rsplit("-", 2)[0] if content.markers else ""
    found: dict[str, str] = {}
    for i, (tag, marker) in enumerate(zip(content.tags, content.markers, strict=True)):
        if tag.field == LEAVE_URL:
            found[marker] = leave_url
            continue
        raw = values[i] if values else None
        found[marker] = _value(tag, raw, content.language).replace(stem, "")
    return found


@lru_cache(maxsize=4096)
def _value(tag: Tag, raw: str | None, language: str) -> str:
    """A reader without a value was excluded at the freeze, so the fallback to nothing is never seen by anybody."""
    return resolve(tag, raw, lambda day, form: format_day(day, form, language)) or ""
