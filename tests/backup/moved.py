"""A reader who has changed their address, as both ends having said yes does it; for a process that is wired to a home."""

from types import SimpleNamespace

from service.db import transaction
from service.domain.addresses import normalise
from service.operations import moving
from service.tokens import email_key


def moved(before: str, after: str) -> None:
    address = normalise(after)
    with transaction() as tx:
        number = tx.execute("SELECT id FROM subscribers WHERE normalised_address = :old", old=before).scalar_one()
        moving.move(
            tx,
            SimpleNamespace(
                id=None,
                language="en",
                subscriber_id=number,
                email_key=email_key(address.normalised),
                address=after,
                normalised_address=address.normalised,
            ),
        )
        # The mails that tell of it are another test's question.
        tx.execute("UPDATE mails SET state = 'failed', reason = 'not asked here' WHERE state = 'pending'")
