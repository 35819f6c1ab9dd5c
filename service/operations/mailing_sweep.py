"""What the clock asks for every few seconds of the mails that a reader waits for: ring again for what a lost bell left lying,
give up leases that ended. Rings for no more sign-ups than may be answered in this hour."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import structlog

from service import epoch, queue
from service.db import Transaction, transaction
from service.operations.duties import duty
from service.operations.mailing import room
from service.operations.mailing_sending import DUE

log = structlog.get_logger(__name__)

RING_AGAIN = timedelta(seconds=15)
"""A reader waits; a bell that is only late is rung twice, which does nothing twice."""
MOST = 200

_GIVE_UP = """
    UPDATE mails SET state = 'unknown', lease_until = NULL, reason = 'no answer was recorded: the worker died or hung'
    WHERE state = 'sending' AND lease_until < clock_timestamp() RETURNING id
"""
_MAILS = f"""
    UPDATE mails SET rung_at = clock_timestamp() WHERE id IN (
        SELECT m.id FROM mails m, installation i WHERE {DUE} AND (m.rung_at IS NULL OR m.rung_at < clock_timestamp() - :pause)
        ORDER BY m.id LIMIT :most FOR UPDATE OF m SKIP LOCKED
    ) RETURNING id
"""
_SIGNUPS = """
    UPDATE signups SET rung_at = clock_timestamp() WHERE id IN (
        SELECT id FROM signups WHERE state = 'pending' AND coalesce(rung_at, created_at) < clock_timestamp() - :pause
        ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
    ) RETURNING id
"""
_LINK_REQUESTS = """
    UPDATE link_requests SET rung_at = clock_timestamp() WHERE id IN (
        SELECT id FROM link_requests WHERE answered_at IS NULL AND coalesce(rung_at, created_at) < clock_timestamp() - :pause
        ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
    ) RETURNING id
"""


def sweep_mail() -> None:
    """Everything of the service's own mails that may have been left lying."""
    duty("sweep mail", _sweep_mail)


def _sweep_mail() -> None:
    with transaction() as tx:
        for mail_id in tx.execute(_GIVE_UP).scalars():
            log.warning("mail unknown", mail=mail_id)
    with transaction() as tx:
        _ring(tx, queue.SEND_MAIL, _MAILS, MOST, epoch.parameters())
        _ring(tx, queue.ANSWER_LINK_REQUEST, _LINK_REQUESTS, MOST)
        _ring(tx, queue.ANSWER_SIGNUP, _SIGNUPS, max(0, min(MOST, room(tx))))


def _ring(tx: Transaction, name: str, due: str, most: int, known: Mapping[str, Any] = MappingProxyType({})) -> None:
    for row_id in sorted(tx.execute(due, known, pause=RING_AGAIN, most=most).scalars()):
        tx.enqueue(name, row_id)
