"""What can become of a reader of an issue, and what SendGrid's answer to a POST means for the batch."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a reader of the audience got no copy."""

    LEFT = "left"
    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    EXPIRED = "expired"
    ERASED = "erased"
    NO_EXPORT_CONSENT = "no_export_consent"
    ADDRESS_CHANGED = "address_changed"
    ALREADY_SENT = "already_sent"
    CANCELLED = "cancelled"
    RENDER_ERROR = "render_error"
    REJECTED = "rejected"


class Answer(StrEnum):
    """What an answer forces. Only ACCEPTED means that SendGrid took the request; only UNKNOWN leaves it open."""

    ACCEPTED = "accepted"
    READERS_REJECTED = "readers rejected"
    REQUEST_REJECTED = "request rejected"
    UNNAMED_REJECTED = "rejected without naming a reader"
    SUBSTITUTIONS_REJECTED = "substitutions rejected"
    TOO_LARGE = "too large"
    UNAUTHORISED = "unauthorised"
    THROTTLED = "throttled"
    NOT_CONNECTED = "not connected"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """An answer, with what recording it needs. `readers` are positions in the request; `wait_until` is UNIX seconds."""

    answer: Answer
    status: int | None = None
    message_id: str | None = None
    reason: str = ""
    readers: frozenset[int] = frozenset()
    wait_until: int | None = None
