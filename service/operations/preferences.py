"""What a reader sees of their own choices: every newsletter with the words beside its boxes, and their own details. Reads
only; shows nothing but to the session of that very reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from service.db import Transaction, transaction
from service.errors import NotFound
from service.operations.signup_forms import Field, read_form
from service.operations.wordings import Wording, choose

_READER = """
    SELECT s.id, s.address, s.email_key, s.first_name, s.last_name, s.language, s.attributes,
        EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.lifted_at IS NULL AND p.kind <> 'left-all') AS is_stopped
    FROM subscribers s WHERE s.id = :id
"""
_NEWSLETTERS = """
    SELECT w.id, w.slug, w.name, w.sender_name, w.description, w.language, w.time_zone, w.tracking_policy, w.needs_export_consent,
        w.accepts_signups, w.privacy_url, n.id AS subscription_id, coalesce(n.state = 'active', false) AS is_active,
        n.tracking, n.export_consent, CASE WHEN n.paused_until > clock_timestamp() THEN n.paused_until END AS paused_until,
        (SELECT jsonb_agg(jsonb_build_array(purpose, t.language, wording)) FROM newsletter_wordings t WHERE t.newsletter_id = w.id) AS own
    FROM newsletters w LEFT JOIN subscriptions n ON n.newsletter_id = w.id AND n.subscriber_id = :id
    WHERE w.accepts_signups OR n.state = 'active' ORDER BY (n.state = 'active') IS NOT TRUE, w.name, w.id
"""


@dataclass(frozen=True)
class Choice:
    """One newsletter as it stands for this reader. `tracking` and `export` are what their boxes show; `paused_until` is the
    first day of issues again, in the newsletter's time zone. `wordings` are those of today, by purpose."""

    newsletter_id: int
    subscription_id: int | None
    slug: str
    name: str
    description: str
    language: str
    time_zone: str
    privacy_url: str | None
    objectable: bool
    can_begin: bool
    active: bool
    tracking: bool
    export: bool
    paused_until: date | None
    wordings: Mapping[str, Wording]

    @property
    def pause(self) -> str:
        """The day as a date field has it."""
        return self.paused_until.isoformat() if self.paused_until else ""

    @property
    def shown(self) -> list[Any]:
        """What a form shows of it, to tell later what a reader has changed and under which words."""
        hashes = {purpose: wording.sha256 for purpose, wording in self.wordings.items()}
        return [self.active, self.tracking, self.export, self.pause, hashes]


@dataclass(frozen=True)
class Preferences:
    """`fields` are the attributes that the newsletters' forms ask for; `is_stopped` says that a bounce, a complaint or the
    team keeps every mail from this address."""

    subscriber_id: int
    email_key: bytes
    address: str
    first_name: str
    last_name: str
    language: str
    attributes: Mapping[str, str]
    is_stopped: bool
    choices: tuple[Choice, ...]
    fields: tuple[Field, ...]

    @property
    def time_zone(self) -> str:
        """The zone to show times in: that of the first newsletter that they get."""
        return next((choice.time_zone for choice in self.choices if choice.active), "UTC")


def view(subscriber_id: int, language: str) -> Preferences:
    """The reader's preferences, worded in that language. Raises NotFound for somebody erased."""
    with transaction() as tx:
        return read(tx, subscriber_id, language)


def read(tx: Transaction, subscriber_id: int, language: str) -> Preferences:
    """As `view`, within a transaction."""
    reader = tx.execute(_READER, id=subscriber_id).one_or_none()
    if reader is None:
        raise NotFound("There is no such reader.")
    rows = tx.execute(_NEWSLETTERS, id=subscriber_id).mappings()
    fields = read_form(tx, None, language).fields
    return Preferences(
        reader.id,
        bytes(reader.email_key),
        reader.address,
        reader.first_name,
        reader.last_name,
        reader.language,
        {name: str(value) for name, value in reader.attributes.items()},
        reader.is_stopped,
        tuple(_choice(dict(row), language) for row in rows),
        tuple(field for field in fields if field.key not in ("first_name", "last_name", "language")),
    )


def _choice(row: Mapping[str, Any], language: str) -> Choice:
    active, objectable = row["is_active"], row["tracking_policy"] == "not-objected"
    return Choice(
        newsletter_id=row["id"],
        subscription_id=row["subscription_id"],
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        language=row["language"],
        time_zone=row["time_zone"],
        privacy_url=row["privacy_url"],
        objectable=objectable,
        can_begin=row["accepts_signups"],
        active=active,
        # Where readers are tracked unless they object, silence is shown as what it means.
        tracking=active and (row["tracking"] == "agreed" or (objectable and row["tracking"] == "unasked")),
        export=active and row["export_consent"] == "agreed",
        paused_until=_day(row),
        wordings=choose(row, row["own"] or (), language),
    )


def _day(row: Mapping[str, Any]) -> date | None:
    if row["paused_until"] is None or not row["is_active"]:
        return None
    day: date = row["paused_until"].astimezone(ZoneInfo(row["time_zone"])).date()
    return day
