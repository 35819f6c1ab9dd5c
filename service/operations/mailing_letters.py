"""What a mail of the service says, to which address, and whether it still may: read at the claim. Refuses in one word whatever
has changed since it was asked for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from service.db import Transaction
from service.operations.limits import CONFIRM_WITHIN
from service.rendering.design import Masthead
from service.rendering.service_mail import Letter
from service.settings import current
from service.tokens import Purpose, Signer

LATEST = timedelta(days=3)
"""After which a mail that was held up is no news any more."""

_READ = """
    SELECT m.kind, m.language, m.email_key, m.signup_id, m.link_id, m.address_change_id,
        w.name, w.slug, w.sender_name, w.sender_address, w.reply_to, w.postal_address, w.time_zone, w.privacy_url, w.brand_colour, w.design, w.welcome,
        (SELECT array_agg(c.name ORDER BY c.name) FROM newsletters c WHERE c.id IN (
            SELECT CAST(choice ->> 'newsletter' AS bigint) FROM jsonb_array_elements(g.choices) choice)) AS chosen,
        n.id AS subscription_id,
        CASE WHEN m.signup_id IS NOT NULL THEN g.address WHEN m.kind = 'change-new' THEN a.address ELSE s.address END AS address,
        CASE WHEN m.signup_id IS NOT NULL THEN g.email_key WHEN m.kind = 'change-new' THEN a.email_key ELSE s.email_key END AS present_key,
        CASE WHEN m.kind = 'confirm' THEN g.created_at + :confirm_within WHEN m.kind = 'manage' THEN l.expires_at
            WHEN m.kind IN ('change-old', 'change-new') THEN a.expires_at END AS expires_at,
        m.created_at + :latest AS latest,
        (m.kind = 'confirm' AND g.confirmed_at IS NOT NULL) OR (m.kind = 'manage' AND (l.id IS NULL OR l.used_at IS NOT NULL OR l.ended_at IS NOT NULL))
            OR (m.kind IN ('change-old', 'change-new') AND (a.done_at IS NOT NULL OR a.refused_at IS NOT NULL)) AS settled,
        m.kind = 'welcome' AND n.state IS DISTINCT FROM 'active' AS has_left,
        EXISTS (SELECT FROM suppressions p WHERE p.email_key = m.email_key AND p.lifted_at IS NULL AND (p.kind <> 'left-all' OR m.kind = 'welcome')) AS suppressed,
        clock_timestamp() AS now
    FROM mails m JOIN newsletters w ON w.id = m.newsletter_id
    LEFT JOIN signups g ON g.id = m.signup_id
    LEFT JOIN subscribers s ON s.id = m.subscriber_id
    LEFT JOIN subscriptions n ON n.subscriber_id = s.id AND n.newsletter_id = m.newsletter_id
    LEFT JOIN links l ON l.id = m.link_id AND l.subscriber_id = s.id
    LEFT JOIN address_changes a ON a.id = m.address_change_id
    WHERE m.id = :mail
"""


@dataclass(frozen=True)
class Addressed:
    """A letter with where it goes, and by whose name."""

    mail_id: int
    kind: str
    language: str
    address: str
    sender: dict[str, str]
    reply_to: str | None
    list_id: str
    letter: Letter


def addressed(tx: Transaction, mail_id: int) -> Addressed | str:
    """The letter as things stand now, or why it is not sent."""
    row = dict(tx.execute(_READ, mail=mail_id, confirm_within=CONFIRM_WITHIN, latest=LATEST).mappings().one())
    if (refusal := _refusal(row)) is not None:
        return refusal
    host = current().public_url.split("://", 1)[-1].split(":", 1)[0]
    return Addressed(
        mail_id=mail_id,
        kind=row["kind"],
        language=row["language"],
        address=row["address"],
        sender={"email": row["sender_address"], "name": row["sender_name"]},
        reply_to=row["reply_to"],
        list_id=f"<{row['slug']}.{host}>",
        letter=_letter(row),
    )


def _refusal(row: dict[str, Any]) -> str | None:
    ends: datetime = row["expires_at"] or row["latest"]
    if row["address"] is None:
        return "erased"
    if bytes(row["present_key"]) != bytes(row["email_key"]):
        return "address_changed"
    if row["suppressed"]:
        return "suppressed"
    if row["settled"]:
        return "settled"
    if row["has_left"]:
        return "left"
    return "expired" if ends <= row["now"] else None


def _letter(row: dict[str, Any]) -> Letter:
    welcome = row["kind"] == "welcome"
    leave = f"{current().public_url}/u/{Signer(Purpose.LEAVE).sign(row['subscription_id'])}" if welcome else None
    return Letter(
        masthead=Masthead(
            name=row["name"],
            sender_name=row["sender_name"],
            postal_address=row["postal_address"],
            language=row["language"],
            design=row["design"],
            brand_colour=row["brand_colour"],
        ),
        newsletters=row["chosen"] or [row["name"]],
        url=_url(row),
        zone=row["time_zone"],
        expires_at=row["expires_at"],
        leave_url=leave,
        privacy_url=row["privacy_url"],
        welcome=(row["welcome"] or "") if welcome else "",
    )


def _url(row: dict[str, Any]) -> str:
    """What the mail's button opens. Mails that ask for nothing lead to the page where a reader asks for a link."""
    match row["kind"]:
        case "confirm":
            path = f"c/{Signer(Purpose.CONFIRM).sign(row['signup_id'])}"
        case "manage":
            path = f"m/{Signer(Purpose.MANAGE).sign(row['link_id'])}"
        case "change-old":
            path = f"a/{Signer(Purpose.CHANGE_OLD).sign(row['address_change_id'])}"
        case "change-new":
            path = f"a/{Signer(Purpose.CHANGE_NEW).sign(row['address_change_id'])}"
        case _:
            path = "manage"
    return f"{current().public_url}/{path}"
