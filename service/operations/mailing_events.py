"""What SendGrid tells of the service's own mails: that it took them, that they arrived or came back, and whom not to write to
again. Acts only on mails that were handed over; any order and any repetition come to the same."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from service.db import Transaction
from service.domain.events import EventType, MailEvent
from service.operations.suppressing import lock_readers, suppress, withdraw

# Any event proves that SendGrid took it, whatever became of the answer to our POST. One that was refused, or not tried, is
# proved by nothing.
_FACTS = """
    UPDATE mails m SET state = 'sent', reason = CASE WHEN m.state = 'sent' THEN m.reason END, lease_until = NULL,
        sent_at = coalesce(m.sent_at, clock_timestamp()),
        delivered_at = least(m.delivered_at, x.delivered_at), bounced_at = least(m.bounced_at, x.bounced_at)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:delivered AS timestamptz[]), CAST(:bounced AS timestamptz[])) AS x (id, delivered_at, bounced_at)
    WHERE m.id = x.id
"""
_OURS = """
    SELECT m.id, m.email_key, m.created_at, n.id AS subscription_id FROM mails m
    LEFT JOIN subscriptions n ON n.subscriber_id = m.subscriber_id AND n.newsletter_id = m.newsletter_id AND m.kind = 'welcome'
    WHERE m.id = ANY(:ids) AND m.state IN ('sending', 'sent', 'unknown') ORDER BY m.id FOR NO KEY UPDATE OF m
"""
_CAME_BACK = (EventType.BOUNCED, EventType.DROPPED)
_LEAVING = (EventType.COMPLAINED, EventType.UNSUBSCRIBED)


def take_mail_events(tx: Transaction, told: Mapping[int, Sequence[MailEvent]]) -> Counter[int]:
    """Record what the payloads, by their ids, tell. Returns how many of each are about no mail of ours, and did nothing."""
    events = [event for some in told.values() for event in some]
    if not events:
        return Counter()
    ours = {row.id: row for row in tx.execute(_OURS, ids=sorted({event.mail_id for event in events}))}
    known = [event for event in events if event.mail_id in ours]
    tx.execute(
        _FACTS,
        ids=list(ours),
        delivered=[_first(known, mail_id, (EventType.DELIVERED,)) for mail_id in ours],
        bounced=[_first(known, mail_id, _CAME_BACK) for mail_id in ours],
    )
    left = (ours[event.mail_id].subscription_id for event in known if event.type in _LEAVING)
    lock_readers(tx, (one for one in left if one is not None))
    for event in sorted(known, key=lambda one: (one.mail_id, one.at)):
        mail = ours[event.mail_id]
        # Whatever the provider's clock says, it happened after the mail was asked for.
        at = max(event.at, mail.created_at)
        if event.consequence is not None:
            suppress(tx, bytes(mail.email_key), kind=event.consequence.value, source=f"event: {event.type}", at=at)
        if event.type in _LEAVING and mail.subscription_id is not None:
            withdraw(tx, mail.subscription_id, method=f"event-{event.type}", at=at, details={"mail": event.mail_id})
    return Counter(n for n, some in told.items() for event in some if event.mail_id not in ours)


def _first(events: Iterable[MailEvent], mail_id: int, kinds: Sequence[EventType]) -> datetime | None:
    return min((event.at for event in events if event.mail_id == mail_id and event.type in kinds), default=None)
