"""Moves a reader to another address when both ends have said yes by a mailed link. Refuses to say whether the new address is
known before its own mailbox has answered; nothing moves by a session alone, which somebody else might hold."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from service import tokens
from service.db import Transaction, transaction
from service.domain.addresses import Address, mailbox, normalise
from service.errors import Invalid, NotFound
from service.languages import mark
from service.operations import mailing
from service.operations.linking import speaking_newsletter
from service.operations.moving import is_taken, move
from service.tokens import Purpose, email_key

CHANGE_WITHIN = timedelta(days=7)
CHANGES_A_DAY = 3
"""Changes that one reader may ask for within 24 hours. What the new address gets is limited as sign-ups are, and with them."""

End = Literal["old", "new"]
State = Literal["open", "waiting", "done", "taken", "refused", "expired"]


@dataclass(frozen=True)
class ChangeView:
    """A change as one of its links may show it: no address, since mails get forwarded. `waiting`: this end has said yes."""

    end: End
    state: State
    language: str


@dataclass(frozen=True)
class Pending:
    """A change that awaits an answer, as its reader sees it."""

    address: str
    old_said_yes: bool
    new_said_yes: bool
    expires_at: datetime


def ask(subscriber_id: int, typed: str) -> None:
    """Ask both ends. A change asked for before is void from now on. Raises AddressError and Invalid, with a sentence for the field."""
    address = normalise(typed)
    key = email_key(address.normalised)
    with transaction() as tx:
        reader = tx.execute(
            """SELECT s.email_key, s.language, (SELECT count(*) FROM address_changes c WHERE c.subscriber_id = s.id AND c.created_at > clock_timestamp() - interval '1 day') AS asked
               FROM subscribers s WHERE s.id = :id FOR NO KEY UPDATE""",
            id=subscriber_id,
        ).one()
        if bytes(reader.email_key) == key:
            raise Invalid(mark("This is the address that you have now. Type the new one."))
        if reader.asked >= CHANGES_A_DAY:
            raise Invalid(
                mark("You have asked for three changes today. Please answer the mails sent, or try again tomorrow.")
            )
        mailing.take_turn(tx)
        if mailing.room(tx) <= 0:
            # Before anything is looked up of the new address: it is said to everybody alike.
            raise Invalid(mark("Too many mails were asked for in this hour. Please try again in an hour."))
        _give_up_open(tx, subscriber_id)
        _ask_both(tx, subscriber_id, bytes(reader.email_key), reader.language or "en", address, key)


def pending(subscriber_id: int) -> Pending | None:
    """The change that the reader has asked for and that is not settled."""
    with transaction() as tx:
        row = tx.execute(
            """SELECT address, old_confirmed_at IS NOT NULL AS old, new_confirmed_at IS NOT NULL AS new, expires_at FROM address_changes
               WHERE subscriber_id = :id AND done_at IS NULL AND refused_at IS NULL AND expires_at > clock_timestamp()
               ORDER BY id DESC LIMIT 1""",
            id=subscriber_id,
        ).one_or_none()
    return None if row is None else Pending(row.address, row.old, row.new, row.expires_at)


def view(token: str) -> ChangeView:
    """What a link is about. Changes nothing. Raises NotFound for anything we did not sign, and for what is gone."""
    end, change_id = _read(token)
    with transaction() as tx:
        return _view(tx, end, change_id)


def agree(token: str) -> ChangeView:
    """This end says yes; with the second yes the reader moves. Again, nothing changes. Raises NotFound."""
    end, change_id = _read(token)
    with transaction() as tx:
        subscriber_id = _lock(tx, change_id)
        if _view(tx, end, change_id).state != "open":
            return _view(tx, end, change_id)
        tx.execute(_SAY_YES[end], id=change_id)
        change = tx.execute("SELECT * FROM address_changes WHERE id = :id", id=change_id).one()
        if (
            change.old_confirmed_at
            and change.new_confirmed_at
            and not is_taken(tx, bytes(change.email_key), subscriber_id)
        ):
            move(tx, change)
        return _view(tx, end, change_id)


def refuse(token: str) -> ChangeView:
    """The old end says that it was not them: nothing moves by this change any more. Raises NotFound for any other link."""
    end, change_id = _read(token)
    if end != "old":
        raise NotFound(mark("This link is not one of ours; it may have been cut off."))
    with transaction() as tx:
        subscriber_id = _lock(tx, change_id)
        tx.execute(
            "UPDATE address_changes SET refused_at = clock_timestamp() WHERE id = :id AND done_at IS NULL AND refused_at IS NULL",
            id=change_id,
        )
        # Whoever asked for it was in the reader's own page: nobody is let in there any more without a new link.
        tx.execute(
            "UPDATE links SET ended_at = clock_timestamp() WHERE subscriber_id = :id AND ended_at IS NULL",
            id=subscriber_id,
        )
        return _view(tx, end, change_id)


_SAY_YES = {
    "old": "UPDATE address_changes SET old_confirmed_at = clock_timestamp() WHERE id = :id AND old_confirmed_at IS NULL",
    "new": "UPDATE address_changes SET new_confirmed_at = clock_timestamp() WHERE id = :id AND new_confirmed_at IS NULL",
}


def _read(token: str) -> tuple[End, int]:
    if (change_id := tokens.read(Purpose.CHANGE_OLD, token)) is not None:
        return "old", change_id
    if (change_id := tokens.read(Purpose.CHANGE_NEW, token)) is not None:
        return "new", change_id
    raise NotFound(mark("This link is not one of ours; it may have been cut off."))


def _lock(tx: Transaction, change_id: int) -> int:
    """The reader, before the change: the order in which everything locks."""
    subscriber_id: int | None = tx.execute(
        "SELECT id FROM subscribers WHERE id = (SELECT subscriber_id FROM address_changes WHERE id = :id) FOR UPDATE",
        id=change_id,
    ).scalar_one_or_none()
    if subscriber_id is None:
        raise NotFound(mark("This change is gone: the reader was erased."))
    return subscriber_id


def _view(tx: Transaction, end: End, change_id: int) -> ChangeView:
    row = tx.execute(
        "SELECT *, expires_at < clock_timestamp() AS is_late FROM address_changes WHERE id = :id", id=change_id
    )
    change = row.one_or_none()
    if change is None:
        raise NotFound(mark("This change is gone: the reader was erased."))
    state: State = "open"
    if change.done_at:
        state = "done"
    elif change.refused_at:
        state = "refused"
    elif change.is_late:
        state = "expired"
    elif change.new_confirmed_at and is_taken(tx, bytes(change.email_key), change.subscriber_id):
        # Only once the new mailbox has answered: until then nobody learns who is known here.
        state = "taken"
    elif change.old_confirmed_at if end == "old" else change.new_confirmed_at:
        state = "waiting"
    return ChangeView(end, state, change.language)


def _give_up_open(tx: Transaction, subscriber_id: int) -> None:
    tx.execute(
        "UPDATE address_changes SET refused_at = clock_timestamp() WHERE subscriber_id = :id AND done_at IS NULL AND refused_at IS NULL",
        id=subscriber_id,
    )


def _ask_both(tx: Transaction, subscriber_id: int, old: bytes, language: str, address: Address, key: bytes) -> None:
    change_id: int = tx.execute(
        """INSERT INTO address_changes (subscriber_id, address, normalised_address, email_key, language, expires_at)
           VALUES (:subscriber, :address, :normalised, :key, :language, clock_timestamp() + CAST(:within AS interval)) RETURNING id""",
        subscriber=subscriber_id,
        address=address.as_typed_clean,
        normalised=address.normalised,
        key=key,
        language=language,
        within=CHANGE_WITHIN,
    ).scalar_one()
    newsletter_id = speaking_newsletter(tx, subscriber_id)
    mailbox_key = email_key(mailbox(address.normalised))
    ends: list[tuple[str, bytes, bytes | None]] = [("change-old", old, None)]
    if not mailing.is_spared(tx, key, mailbox_key):
        # The page says the same either way.
        ends.append(("change-new", key, mailbox_key))
    for kind, to, limited_by in ends:
        mailing.ask_for(
            tx,
            kind,
            email_key=to,
            language=language,
            newsletter_id=newsletter_id,
            subscriber_id=subscriber_id,
            address_change_id=change_id,
            mailbox_key=limited_by,
        )
