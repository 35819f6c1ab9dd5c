"""Looks at what sending depends on outside of us: SendGrid's account, the webhook by which events come back, and the DNS of the
senders' domains. What is found is kept, with what to do about it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from service.clients import dns, sendgrid_account
from service.clients.dns import Resolver
from service.clients.sendgrid_account import Refused, Unreachable
from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.operations.auditing import audit
from service.operations.duties import duty
from service.operations.permitting import require
from service.rendering.preflight import sender
from service.rendering.preflight.facts import Domain
from service.rendering.preflight.links import is_reserved
from service.settings import current

NEEDED = "mail.send"
TOO_MUCH = ("api_keys.create", "teammates.create", "billing.update")
"""What a key that only sends has no use for: whoever finds it could take the account over."""
EVENTS = ("delivered", "bounce", "dropped", "deferred", "spam_report", "unsubscribe", "open", "click")
SILENT = timedelta(hours=1)
"""So long after a sending, an event must have come."""
WEBHOOK_PATH = "/webhooks/sendgrid"


@dataclass
class Found:
    """The worst of its findings is the outcome."""

    findings: list[dict[str, str]] = field(default_factory=list)
    records: list[dict[str, str]] = field(default_factory=list)
    outcome: str = "good"
    reachable: bool = True
    """Whether SendGrid could be asked."""

    def add(self, outcome: str, text: str, fix: str = "") -> None:
        """One thing more; `outcome`: good, unknown, warning or problem."""
        order = ("good", "unknown", "warning", "problem")
        self.outcome = max(self.outcome, outcome, key=order.index)
        self.findings.append({"tone": outcome, "text": text, "fix": fix})


def look(name: str, *, actor: str, resolver: Resolver | None = None) -> None:
    """Look at `sendgrid`, `webhook` or `domains` now, and keep what was found. Raises Forbidden."""
    require(actor, Permission.ADMINISTER)
    _look(name, resolver or dns.SystemResolver())
    with transaction() as tx:
        audit(tx, actor, "check", name)


def latest() -> dict[str, list[dict[str, Any]]]:
    """Name → what was found when it was looked at last: `subject`, `at`, `outcome`, `findings`, `records`."""
    with transaction() as tx:
        rows = tx.execute(
            "SELECT name, subject, at, outcome, findings, records FROM checks ORDER BY name, subject"
        ).mappings()
        kept: dict[str, list[dict[str, Any]]] = {"sendgrid": [], "webhook": [], "domains": []}
        for row in rows:
            kept[row["name"]].append(dict(row))
        return kept


def problems(tx: Transaction) -> list[str]:
    """A sentence for each thing that was found broken."""
    rows = tx.execute("SELECT name, subject, findings FROM checks WHERE outcome = 'problem' ORDER BY name, subject")
    return [
        f"{one['text'][:1].upper()}{one['text'][1:]}. {one['fix']}"
        for row in rows
        for one in row.findings
        if one["tone"] == "problem"
    ]


def look_daily() -> None:
    """Look at everything, where that is a day ago."""
    duty("check surroundings", _look_at_all)


def _look_at_all() -> None:
    for name in ("sendgrid", "webhook", "domains"):
        _look(name, dns.SystemResolver())


def _look(name: str, resolver: Resolver) -> None:
    if name == "domains":
        found = {one: sender_domain(one, resolver) for one in sender_domains()}
    else:
        found = {"": {"sendgrid": sendgrid, "webhook": webhook}[name]()}
    with transaction() as tx:
        tx.execute("DELETE FROM checks WHERE name = :name", name=name)
        for subject, one in found.items():
            tx.execute(
                """INSERT INTO checks (name, subject, outcome, findings, records)
                   VALUES (:name, :subject, :outcome, CAST(:findings AS jsonb), CAST(:records AS jsonb))""",
                name=name,
                subject=subject,
                outcome=one.outcome,
                findings=json.dumps(one.findings),
                records=json.dumps(one.records),
            )


def sendgrid() -> Found:
    """What SendGrid says of the key."""
    found = Found()
    scopes = _asked(found, sendgrid_account.scopes, "what the key may do")
    if scopes is None:
        return found
    if NEEDED not in scopes:
        found.add(
            "problem",
            "the key may not send mail",
            "In SendGrid, make a key with “Mail Send”, and set it as SENDGRID_API_KEY.",
        )
    else:
        found.add("good", "the key may send mail")
    if much := [one for one in TOO_MUCH if one in scopes]:
        found.add(
            "warning",
            f"the key may do more than it needs ({', '.join(much)})",
            "Give it restricted access: Mail Send, and reading of event webhooks and sender authentication.",
        )
    return found


def webhook() -> Found:
    """Whether events are sent here, signed with our key, and arrive."""
    found = Found()
    wanted = current().public_url.rstrip("/") + WEBHOOK_PATH
    if not current().webhook_keys:
        found.add(
            "problem",
            "no key is set by which events can be told from forgeries, so all are refused",
            "In SendGrid, turn Signed Event Webhook on, and set its verification key as SENDGRID_WEBHOOK_KEYS.",
        )
    hooks = _asked(found, sendgrid_account.webhooks, "where events are sent")
    if hooks is not None:
        _compare(found, hooks, wanted)
    _arriving(found)
    return found


def _compare(found: Found, hooks: list[dict[str, Any]], wanted: str) -> None:
    ours = [one for one in hooks if str(one["url"]).rstrip("/").endswith(WEBHOOK_PATH)]
    here = [one for one in ours if one["url"] == wanted] or (ours if current().sandbox else [])
    if not here:
        found.add("problem", "SendGrid does not send events here", f"Add an event webhook that posts to {wanted}")
        return
    hook = here[0]
    if not hook.get("enabled"):
        found.add("problem", "the webhook is turned off in SendGrid", "Turn it on.")
    if lacking := [one.replace("_", " ") for one in EVENTS if not hook.get(one)]:
        found.add("warning", f"these events are not sent: {', '.join(lacking)}", "Tick them in the webhook's settings.")
    if current().webhook_keys and hook.get("public_key") not in current().webhook_keys:
        found.add(
            "problem",
            "SendGrid signs events with another key than the one that is set here",
            "Copy the verification key into SENDGRID_WEBHOOK_KEYS.",
        )
    if found.outcome == "good":
        found.add("good", "SendGrid sends signed events here")


def _arriving(found: Found) -> None:
    with transaction() as tx:
        last, sent = tx.execute(
            "SELECT (SELECT max(received_at) FROM payloads), (SELECT max(recorded_at) FROM attempts WHERE state = 'accepted')"
        ).one()
        now: datetime = tx.execute("SELECT clock_timestamp()").scalar_one()
    if last is None and sent is None:
        found.add("unknown", "nothing was sent yet, so no event has come", "Send yourself a test, then look again.")
    elif sent is not None and (last is None or last < sent) and now - sent > SILENT:
        found.add(
            "problem",
            "mail was sent, and no event has come since",
            "Look whether SendGrid can reach this address from outside.",
        )
    else:
        found.add("good", "events have come")


def sender_domains() -> list[str]:
    """The domains that the newsletters' senders write from."""
    with transaction() as tx:
        addresses = tx.execute("SELECT DISTINCT sender_address FROM newsletters").scalars()
        return sorted({sender.domain_of(one) for one in addresses})


def sender_domain(name: str, resolver: Resolver) -> Found:
    """What SendGrid and the DNS say of a sender's domain."""
    found = Found()
    records = _asked(found, lambda: sendgrid_account.domain(name), f"the records of {name}")
    found.records = [
        {
            "kind": str(one.get("type", "cname")).upper(),
            "host": str(one["host"]),
            "value": str(one.get("data", "")),
            "valid": "yes" if one.get("valid") else "no",
        }
        for one in records or []
    ]
    if records == [] or any(one["valid"] == "no" for one in found.records):
        found.add(
            "problem",
            f"SendGrid may not sign for {name}" if records == [] else f"records of {name} are not set as SendGrid asks",
            "Authenticate the domain in SendGrid (Sender Authentication)."
            if records == []
            else "Set the records below at whoever keeps the domain's DNS, then verify them in SendGrid.",
        )
    if is_reserved(name):
        found.add("unknown", f"{name} is a name for examples: no name server knows it", "Send from a domain of yours.")
        return found
    answer = dns.look_up(name, resolver)
    if answer.is_unknown:
        found.add("unknown", "no name server answered", "Look again later.")
        return found
    for one in sender.of_domain(Domain(name, answer.spf, answer.dkim, answer.dmarc, answer.takes_mail)):
        found.add("warning" if one.severity == "warns" else "good", one.text, one.remedy)
    if not found.findings:
        found.add("good", f"SPF, DKIM and DMARC of {name} are as they should be")
    return found


def _asked(found: Found, ask: Callable[[], Any], what: str) -> Any:
    """SendGrid's answer; None where there is none, which is said."""
    try:
        return ask()
    except Refused as error:
        if error.status == 401:
            found.add("problem", "SendGrid does not know the key", "Copy it anew into SENDGRID_API_KEY.")
        else:
            found.add(
                "unknown",
                f"the key may not ask {what} (SendGrid answers {error.status})",
                "Give the key the right to read it, to have it looked at here.",
            )
    except Unreachable:
        found.reachable = False
        found.add("unknown", "SendGrid could not be reached", "Look again later; sending waits meanwhile.")
    return None
