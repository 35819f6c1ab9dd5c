"""An issue looked at before it is sent: as one reader's mail, by the rules of preflight, and as a test mail to a few colleagues.
A test is not tracked, leads nobody out, and says in its subject what it is."""

from dataclasses import replace
from typing import Any

from service.clients import sendgrid
from service.clients.sendgrid_events import OWN_ARGUMENT
from service.db import Transaction, transaction
from service.domain.addresses import AddressError, normalise
from service.domain.outcomes import Answer
from service.domain.permissions import Permission
from service.errors import Conflict, Forbidden, Invalid, RetryLater
from service.operations import editing, epochs, preflighting, previewing
from service.operations.auditing import audit
from service.operations.permitting import within
from service.operations.preflighting import Report
from service.operations.previewing import Preview
from service.operations.reader_details import HIDDEN, NOT_YOURS
from service.rendering.mime import Mail
from service.settings import current
from service.tokens import email_key

MOST_TESTS = 5
TESTS_AN_HOUR = 60
"""Test mails that one operator sends within an hour."""


def look(issue_id: int, *, actor: str, reader: str | None = None, variant: str | None = None) -> Preview:
    """The mail as one reader would get it; `reader` is an address of the newsletter's. Raises NotFound, Forbidden, Invalid, and
    Conflict while nothing could be rendered yet."""
    issue = editing.find(issue_id, actor=actor, permission=Permission.SEE_READERS if reader else Permission.SEE)
    with transaction() as tx:
        if reader:
            _refuse_if_not_theirs(tx, issue["newsletter_id"], reader, actor)
        if not tx.execute("SELECT EXISTS (SELECT FROM variants WHERE issue_id = :id)", id=issue_id).scalar_one():
            raise Conflict("Nothing can be shown yet: the text has problems that must be mended first.")
    return previewing.preview_issue(issue_id, reader=reader, variant=variant)


def _refuse_if_not_theirs(tx: Transaction, newsletter_id: int, reader: str, actor: str) -> None:
    """A mail that was written for it would tell all that is known of a reader."""
    try:
        address = normalise(reader).normalised
    except AddressError:
        return  # the preview says what is wrong with it
    hidden = tx.execute(
        f"""SELECT {HIDDEN} FROM subscribers s JOIN subscriptions n ON n.subscriber_id = s.id
            WHERE s.normalised_address = :address AND n.newsletter_id = :newsletter""",
        address=address,
        newsletter=newsletter_id,
        only=within(actor, Permission.SEE_READERS),
    ).scalar_one_or_none()
    if hidden:
        raise Forbidden(NOT_YOURS)


def variants(issue_id: int, *, actor: str) -> list[str]:
    """The names of the issue's variants, the one for readers of whom nothing is known first."""
    editing.find(issue_id, actor=actor)
    with transaction() as tx:
        return list(
            tx.execute("SELECT name FROM variants WHERE issue_id = :id ORDER BY position", id=issue_id).scalars()
        )


def check(issue_id: int, *, actor: str, network: bool = False) -> Report:
    """What preflight says of the issue as it was rendered last; nothing while nothing could be. Raises NotFound, Forbidden."""
    issue = editing.find(issue_id, actor=actor)
    if not variants(issue_id, actor=actor):
        return Report(issue["subject"], ())
    return preflighting.check_issue(issue_id, network=network)


def send_test(issue_id: int, addresses: list[str], *, actor: str, variant: str | None = None) -> int:
    """Send the mail to a few colleagues at once; how many that were. Raises Invalid with every problem, RetryLater when SendGrid did
    not take it, NotFound, Forbidden, Conflict."""
    editing.find(issue_id, actor=actor, permission=Permission.WRITE)
    to = _checked(addresses)
    mail = look(issue_id, actor=actor, variant=variant).mail
    with transaction() as tx:
        _refuse_unless_may(tx, to)
        tx.execute("UPDATE installation SET kind = :kind WHERE kind IS NULL", kind=current().kind)
        sent = tx.execute(
            """SELECT coalesce(sum((details->>'mails')::int), 0) FROM audit_entries
               WHERE actor = :actor AND action = 'send a test' AND at > clock_timestamp() - interval '1 hour'""",
            actor=actor,
        ).scalar_one()
        if sent + len(to) > TESTS_AN_HOUR:
            raise Conflict(f"{TESTS_AN_HOUR} test mails an hour are the most. Wait a while.")
        audit(tx, actor, "send a test", f"issue {issue_id}", mails=len(to))
    verdict = sendgrid.post(body(replace(mail, subject=f"[Test] {mail.subject}"), to, category="test"))
    if verdict.answer is not Answer.ACCEPTED:
        raise RetryLater(
            f"SendGrid did not take the test ({verdict.reason}). Nothing of the issue is affected; try again."
        )
    return len(to)


def _refuse_unless_may(tx: Transaction, to: list[str]) -> None:
    """Whoever asked not to be written to gets no test either, and while all is stopped nothing leaves. One at a time, for the hour's
    limit."""
    epochs.refuse_if_restored(tx)
    if tx.execute("SELECT stopped_at FROM installation FOR UPDATE").scalar_one() is not None:
        raise Conflict("Sending is stopped for the whole installation, for tests too.")
    keys = {email_key(normalise(address).normalised): address for address in to}
    stopped = tx.execute(
        "SELECT DISTINCT email_key FROM suppressions WHERE email_key = ANY(:keys) AND lifted_at IS NULL",
        keys=list(keys),
    ).scalars()
    if problems := [f"{keys[bytes(key)]} is not written to: the address is suppressed." for key in stopped]:
        raise Invalid(*problems)


def _checked(addresses: list[str]) -> list[str]:
    problems, found = [], []
    for one in filter(None, (address.strip() for address in addresses)):
        try:
            found.append(normalise(one).as_typed_clean)
        except AddressError as error:
            problems.append(f"{one}: {error}")
    if len(found) > MOST_TESTS:
        problems.append(f"A test goes to at most {MOST_TESTS} addresses; these are {len(found)}.")
    if not found and not problems:
        problems.append("Write at least one address to send the test to.")
    if problems:
        raise Invalid(*problems)
    return list(dict.fromkeys(found))


def body(mail: Mail, to: list[str], *, category: str) -> dict[str, Any]:
    """One request, each colleague with a mail of their own, of which nothing is recorded."""
    made: dict[str, Any] = {
        "from": {"email": mail.sender[1], "name": mail.sender[0]},
        "subject": mail.subject,
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}],
        "categories": [category],
        "custom_args": {OWN_ARGUMENT: category},
        "headers": {"Auto-Submitted": "auto-generated"},
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
        "personalizations": [{"to": [{"email": address}]} for address in to],
    }
    if mail.reply_to:
        made["reply_to"] = {"email": mail.reply_to}
    return made
