"""Our own vocabulary of what can happen to a delivery, whatever the provider calls it."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class EventType(StrEnum):
    """Each has a first-only timestamp on the delivery, in a column of this name + `_at`."""

    PROCESSED = "processed"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DROPPED = "dropped"
    OPENED = "opened"
    OPENED_BY_MACHINE = "opened_by_machine"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"

    @property
    def is_observation(self) -> bool:
        """Whether it says what a reader did with their copy: recorded only while they do not object."""
        return self in (EventType.OPENED, EventType.OPENED_BY_MACHINE, EventType.CLICKED)


class Consequence(StrEnum):
    """What an event makes us do about the address."""

    HARD_BOUNCE = "hard-bounce"
    COMPLAINT = "complaint"
    PROVIDER = "provider"


class Event(NamedTuple):
    """One thing that happened to one delivery. `consequence`: suppress the address for this; `leaves`: end the subscription."""

    type: EventType
    delivery_id: int
    attempt_id: uuid.UUID | None
    at: datetime
    detail: str | None = None
    url: str | None = None
    url_index: str = ""
    attempt_number: str = ""
    consequence: Consequence | None = None
    leaves: bool = False

    @property
    def key(self) -> int:
        """A number of 64 bits, unique within the delivery, and the same for every redelivery. SendGrid's own event ids are not."""
        parts = (
            str(self.delivery_id),
            self.type,
            self.consequence or "",
            str(int(self.at.timestamp())),
            self.url or "",
            self.url_index,
            self.attempt_number,
        )
        return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], signed=True)


@dataclass(frozen=True)
class MailEvent:
    """One thing that happened to one mail of the service itself. Only its first times are kept, so it needs no key."""

    type: EventType
    mail_id: int
    at: datetime
    consequence: Consequence | None = None
