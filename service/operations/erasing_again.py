"""Erases again whom a restored backup has brought back. Leaves alone who has come back by themselves since."""

from service.db import transaction
from service.operations import erasing
from service.operations.auditing import audit
from service.operations.certificates import read_certificates


def erase_again(*, actor: str) -> tuple[int, int]:
    """Erase everybody whom a certificate names and who was here before it was made; how many certificates were read, and how
    many erasures made. Raises Invalid for a file that is no certificate of ours, and then erases nobody."""
    certificates = list(read_certificates())
    made = 0
    for keys, at in certificates:
        with transaction() as tx:
            # In the order of `erase_address`: sign-ups before readers.
            tx.execute("DELETE FROM signups WHERE email_key = ANY(:keys) AND created_at < :at", keys=keys, at=at)
            back = list(
                tx.execute(
                    "SELECT id FROM subscribers WHERE email_key = ANY(:keys) AND created_at < :at ORDER BY id",
                    keys=keys,
                    at=at,
                ).scalars()
            )
            for subscriber_id in back:
                number = erasing.erase(tx, subscriber_id, method="restored backup").number
                audit(tx, actor, "erase", f"erasure {number}", reason="a restored backup had brought the reader back")
        made += len(back)
    return len(certificates), made
