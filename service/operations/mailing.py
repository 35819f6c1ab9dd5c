"""Decides what a sign-up is answered with, and asks for the mails of the service itself: one row each, rung for after the
commit. Refuses to write to anybody here: the address, and whether it may be written to, are read when the mail is sent."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from service import queue
from service.db import Transaction, transaction
from service.domain.addresses import mailbox
from service.log import named
from service.operations.limits import (
    ADDRESS_SPAN,
    MAILS_PER_ADDRESS,
    MAILS_PER_MAILBOX,
    RESEND_AFTER,
    SAME_NEWSLETTERS_SPAN,
)
from service.settings import current
from service.tokens import email_key

log = structlog.get_logger(__name__)

# One answer at a time, in all workers: a hundred sign-ups of one address, and the last place under the cap, are decided in
# an order. Cheap: an answer takes a few milliseconds, the mail that it asks for ten times as long.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('broadsheet answer sign-up'))"
_TAKE = "SELECT id, normalised_address, email_key, language, choices, flags FROM signups WHERE id = :id AND state = 'pending' FOR UPDATE"
# Who left everything may come back by confirming; all other reasons are not lifted by a form.
_SUPPRESSED = """
    SELECT EXISTS (SELECT FROM suppressions WHERE email_key = :key AND lifted_at IS NULL AND kind <> 'left-all')
"""
# Whoever is subscribed but would get no issue is asked again: the new answer gives what is missing.
_KNOWN = """
    SELECT count(*) FROM subscribers s JOIN subscriptions n ON n.subscriber_id = s.id JOIN newsletters w ON w.id = n.newsletter_id
    WHERE s.email_key = :key AND n.newsletter_id = ANY(:newsletters) AND n.state = 'active'
      AND (n.expires_at IS NULL OR n.expires_at > clock_timestamp())
      AND (NOT w.needs_export_consent OR n.export_consent = 'agreed')
"""
# What was never sent does not count. One count for all that anybody may have mailed to an address by typing it somewhere.
_LIMITED = """
    SELECT count(*) >= :most OR (
        SELECT count(*) >= :most_of_mailbox FROM mails m WHERE m.mailbox_key = :mailbox AND m.state <> 'failed' AND m.created_at > clock_timestamp() - :span
    )
    FROM mails m WHERE m.email_key = :key AND m.kind IN ('confirm', 'known', 'change-new') AND m.state <> 'failed'
      AND m.created_at > clock_timestamp() - :span
"""
# Somebody who pressed "Send it again", after the pause, is answered in spite of this, within the month's limit.
_ASKED_TODAY = """
    SELECT EXISTS (SELECT FROM mails m JOIN signups g ON g.id = m.signup_id
        WHERE m.email_key = :key AND m.kind = :kind AND m.state <> 'failed' AND m.created_at > clock_timestamp() - :same_span
          AND g.choices @> CAST(:choices AS jsonb))
"""
# A change of address counts by its mail to the old end, which is always asked for: nobody learns by the count what is known of
# the new end.
ROOM = """
    SELECT :cap - count(*) FROM mails WHERE kind IN ('confirm', 'known', 'change-old') AND created_at > clock_timestamp() - interval '1 hour'
"""
AGAIN = "again"
"""Among a sign-up's flags while it awaits its answer: this one is a repetition that the reader asked for."""


@dataclass(frozen=True)
class _Signup:
    id: int
    email_key: bytes
    mailbox_key: bytes
    language: str
    newsletters: list[int]
    again: bool


def ask_for(
    tx: Transaction,
    kind: str,
    *,
    email_key: bytes,
    language: str,
    newsletter_id: int,
    signup_id: int | None = None,
    subscriber_id: int | None = None,
    link_id: int | None = None,
    address_change_id: int | None = None,
    mailbox_key: bytes | None = None,
) -> int:
    """Ask for one mail; it leaves after the commit. Returns its id.

    `email_key` is the key of the address that it is for: the mail is not sent when the address it would go to has another.
    That address is read from the sign-up (`confirm`, `known`), the address change (`change-new`), or else the subscriber.
    `manage` needs its link, `change-old` and `change-new` their address change; what anybody may ask for by typing an address
    (`confirm`, `known`, `change-new`) the `mailbox_key` by which it is limited.
    """
    mail_id: int = tx.execute(
        """INSERT INTO mails (kind, email_key, language, newsletter_id, signup_id, subscriber_id, link_id, address_change_id, mailbox_key, rung_at)
           VALUES (:kind, :key, :language, :newsletter, :signup, :subscriber, :link, :change, :mailbox, clock_timestamp()) RETURNING id""",
        kind=kind,
        key=email_key,
        language=language,
        newsletter=newsletter_id,
        signup=signup_id,
        subscriber=subscriber_id,
        link=link_id,
        change=address_change_id,
        mailbox=mailbox_key,
    ).scalar_one()
    tx.enqueue(queue.SEND_MAIL, mail_id)
    return mail_id


def answer_signups(signup_ids: Sequence[int]) -> None:
    """Answer each by itself: one that fails keeps no other from its answer. Raises the last failure."""
    failed: Exception | None = None
    for signup_id in signup_ids:
        try:
            answer_signup(signup_id)
        except Exception as error:
            log.exception("sign-up not answered", signup=signup_id)
            failed = error
    if failed is not None:
        raise failed


@named("signup")
def answer_signup(signup_id: int) -> None:
    """Decide what the sign-up is answered with, once. It stays pending while the installation's mails of this hour are used
    up, and is answered later; every other decision is for good, unless the reader asks again."""
    with transaction() as tx:
        take_turn(tx)
        row = tx.execute(_TAKE, id=signup_id).one_or_none()
        if row is None:
            return
        newsletters = sorted({int(choice["newsletter"]) for choice in row.choices})
        mailbox_key = email_key(mailbox(row.normalised_address))
        signup = _Signup(row.id, bytes(row.email_key), mailbox_key, row.language, newsletters, AGAIN in row.flags)
        if (state := _decide(tx, signup)) is None:
            log.warning("sign-up waits: the mails of this hour are used up", signup=signup.id)
            return
        tx.execute(
            "UPDATE signups SET state = :state, flags = array_remove(flags, :again) WHERE id = :id",
            state=state,
            again=AGAIN,
            id=signup.id,
        )
        if (kind := {"asked": "confirm", "known": "known"}.get(state)) is not None:
            ask_for(
                tx,
                kind,
                email_key=signup.email_key,
                language=signup.language,
                newsletter_id=signup.newsletters[0],
                signup_id=signup.id,
                mailbox_key=signup.mailbox_key,
            )
    log.info("sign-up answered", signup=signup.id, state=state)


def _decide(tx: Transaction, signup: _Signup) -> str | None:
    """The state that the sign-up comes to, or None while it must wait."""
    if _is_suppressed(tx, signup.email_key):
        return "suppressed"
    active = tx.execute(_KNOWN, key=signup.email_key, newsletters=signup.newsletters).scalar_one()
    state, kind = ("known", "known") if active == len(signup.newsletters) else ("asked", "confirm")
    if _is_limited(tx, signup.email_key, signup.mailbox_key) or (not signup.again and _asked_today(tx, signup, kind)):
        return "limited"
    return state if room(tx) > 0 else None


def take_turn(tx: Transaction) -> None:
    """Decide alone, until the transaction's end, whether something may be mailed to an address that somebody has typed."""
    tx.execute(_ONE_AT_A_TIME)


def is_spared(tx: Transaction, email_key: bytes, mailbox_key: bytes) -> bool:
    """Whether nothing that somebody else may have asked for is mailed there: it bounced, complained or was stopped, or the address
    or its mailbox has had its mails of the month. For whoever has the turn."""
    return _is_suppressed(tx, email_key) or _is_limited(tx, email_key, mailbox_key)


def _is_suppressed(tx: Transaction, email_key: bytes) -> bool:
    return bool(tx.execute(_SUPPRESSED, key=email_key).scalar_one())


def _is_limited(tx: Transaction, email_key: bytes, mailbox_key: bytes) -> bool:
    return bool(
        tx.execute(
            _LIMITED,
            key=email_key,
            most=MAILS_PER_ADDRESS,
            mailbox=mailbox_key,
            most_of_mailbox=MAILS_PER_MAILBOX,
            span=ADDRESS_SPAN,
        ).scalar_one()
    )


def _asked_today(tx: Transaction, signup: _Signup, kind: str) -> bool:
    choices = json.dumps([{"newsletter": newsletter} for newsletter in signup.newsletters])
    return bool(
        tx.execute(
            _ASKED_TODAY, key=signup.email_key, kind=kind, choices=choices, same_span=SAME_NEWSLETTERS_SPAN
        ).scalar_one()
    )


def room(tx: Transaction) -> int:
    """How many more mails may answer sign-ups and ask about changes of address in this hour: whoever floods a form must not make
    us flood others."""
    left: int = tx.execute(ROOM, cap=current().signup_mails_per_hour).scalar_one()
    return left


def resend(signup_id: int) -> bool:
    """Answer the sign-up again because its reader pressed "Send it again". False when that was done less than a minute ago, or
    there is nothing more to answer; says nothing of what the answer is."""
    with transaction() as tx:
        again = tx.execute(
            """UPDATE signups SET state = 'pending', rung_at = clock_timestamp(), flags = array_append(array_remove(flags, :again), :again)
               WHERE id = :id AND state IN ('asked', 'known', 'limited', 'suppressed') AND coalesce(rung_at, created_at) < clock_timestamp() - :pause
               RETURNING id""",
            id=signup_id,
            again=AGAIN,
            pause=RESEND_AFTER,
        ).scalar_one_or_none()
        if again is None:
            return False
        tx.enqueue(queue.ANSWER_SIGNUP, signup_id)
    return True
