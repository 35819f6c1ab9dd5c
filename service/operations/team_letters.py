"""What mails to the team say. In English, as the team's pages are; nobody of the readers is named in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from service.db import Transaction
from service.languages import format_datetime, format_number
from service.operations import counting, operator_links, reporting
from service.rendering.inlining import inline_styles
from service.settings import current

_STYLE = """
    body { margin: 0; padding: 24px; background: #f4f2ee; color: #1d2025; font: 16px/1.55 Arial, sans-serif; }
    .paper { max-width: 560px; margin: 0 auto; padding: 28px; background: #ffffff; border-top: 4px solid #1f4a86; }
    h1 { margin: 0 0 16px; font: 600 22px/1.3 Georgia, serif; }
    td { padding: 6px 16px 6px 0; vertical-align: top; } td.n { text-align: right; font-weight: bold; }
    a.button { display: inline-block; padding: 12px 20px; background: #1f4a86; color: #ffffff; text-decoration: none; font-weight: bold; }
    .quiet { color: #585d66; font-size: 14px; }
"""


@dataclass(frozen=True)
class TeamLetter:
    """`rows`: what is counted, and how many. `url`: where the button leads."""

    subject: str
    paragraphs: Sequence[str]
    rows: Sequence[tuple[str, str]]
    url: str
    button: str
    sender_name: str
    sender_address: str
    to: str

    @property
    def text(self) -> str:
        """The mail as plain text."""
        table = "\n".join(f"{name}: {value}" for name, value in self.rows)
        return "\n\n".join(filter(None, [*self.paragraphs, table, f"{self.button}:\n<{self.url}>"])) + "\n"

    @property
    def html(self) -> str:
        """The mail as HTML, its styles in place."""
        table = "".join(
            f'<tr><td>{escape(name)}</td><td class="n">{escape(value)}</td></tr>' for name, value in self.rows
        )
        parts = "".join(f"<p>{escape(one)}</p>" for one in self.paragraphs)
        page = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.subject)}</title><style>{_STYLE}</style></head>'
            f'<body><div class="paper"><h1>{escape(self.subject)}</h1>{parts}{f"<table role=presentation>{table}</table>" if table else ""}'
            f'<p><a class="button" href="{escape(self.url)}">{escape(self.button)}</a></p>'
            f'<p class="quiet">Broadsheet at {escape(current().public_url)}</p></div></body></html>'
        )
        return inline_styles(page)


def write(tx: Transaction, mail: Mapping[str, Any]) -> TeamLetter | str:
    """The letter as things stand now, or why it is not sent any more. `mail`: its row, with the operator's `address`, `name` and
    `time_zone`."""
    if mail["disabled_at"] is not None:
        return "the operator is let in no more"
    sender = tx.execute(
        """SELECT sender_name, sender_address FROM newsletters
           ORDER BY id = (SELECT newsletter_id FROM issues WHERE id = CAST(:issue AS bigint)) DESC, id LIMIT 1""",
        issue=mail["issue_id"],
    ).one_or_none()
    if sender is None:
        return "there is no newsletter, and so no sender"
    given = {"sender_name": sender.sender_name, "sender_address": sender.sender_address, "to": mail["address"]}
    if mail["kind"] == "alarm":
        return _alarm(tx, mail, given)
    return _reset(mail, given) if mail["kind"] == "reset" else _report(tx, mail, given)


def _alarm(tx: Transaction, mail: Mapping[str, Any], given: Mapping[str, str]) -> TeamLetter | str:
    alarm = tx.execute("SELECT told, closed_at FROM alarms WHERE id = :id", id=mail["alarm_id"]).one()
    if alarm.closed_at is not None:
        return "the alarm is over"
    return TeamLetter(
        subject="Something needs you",
        paragraphs=(f"Hello {mail['name']},", alarm.told),
        rows=(),
        url=f"{current().public_url}/admin/alarms",
        button="Look at the alarms",
        **given,
    )


def _reset(mail: Mapping[str, Any], given: Mapping[str, str]) -> TeamLetter | str:
    if datetime.now(UTC) - mail["created_at"] > operator_links.RESET_LASTS:
        return "it was asked for too long ago"
    return TeamLetter(
        subject="Set a new password",
        paragraphs=(
            f"Hello {mail['name']},",
            "somebody, we hope you, asked for a link to set a new password. It works once, for 30 minutes; your second step stays as it is.",
            "If it was not you, nothing has changed, and there is nothing to do.",
        ),
        rows=(),
        url=operator_links.for_reset(mail["operator_id"], mail["password_hash"]),
        button="Set a new password",
        **given,
    )


def _report(tx: Transaction, mail: Mapping[str, Any], given: Mapping[str, str]) -> TeamLetter:
    issue_id = mail["issue_id"]
    issue = tx.execute(
        "SELECT i.subject, i.sent_at, w.name FROM issues i JOIN newsletters w ON w.id = i.newsletter_id WHERE i.id = :id",
        id=issue_id,
    ).one()
    ledger, events = reporting.ledger(tx, issue_id), counting.events(tx, issue_id)
    rows = [
        ("Meant for", ledger["candidates"]),
        ("Accepted by SendGrid", ledger["accepted"]),
        *((f"Left out: {reason.replace('_', ' ')}", n) for reason, n in ledger["excluded"].items()),
        *((f"Failed: {reason.replace('_', ' ')}", n) for reason, n in ledger["failed"].items()),
        *([("Nobody can vouch for", ledger["unknown"])] if ledger["unknown"] else []),
        ("Delivered", events["delivered"]),
        ("Bounced", events["bounced"] + events["dropped"]),
        ("Reported as unwanted", events["complained"]),
        ("Left by it", events["unsubscribed"]),
        ("Opened, by people as far as can be told", events["opened"]),
        ("Followed a link", events["clicked"]),
    ]
    sent = format_datetime(issue.sent_at, "en", str(ZoneInfo(mail["time_zone"])))
    return TeamLetter(
        subject=f"What became of “{issue.subject}”",
        paragraphs=(f"{issue.name}, sent {sent}. A day later, every copy is accounted for:",)
        if not ledger["unknown"]
        else (f"{issue.name}, sent {sent}. Some copies still need a person's decision:",),
        rows=[(name, format_number(n, "en")) for name, n in rows],
        url=f"{current().public_url}/admin/issues/{issue_id}/report",
        button="Open the report",
        **given,
    )
