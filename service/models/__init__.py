"""Tables; no queries beyond relationships, no network."""

from service.models.base import Base
from service.models.consent import ConsentRecord, ConsentWording, Suppression
from service.models.delivery import Attempt, Batch, Delivery
from service.models.event import Event, Payload
from service.models.importing import Import, ImportedRow
from service.models.issue import Cohort, Issue, Variant
from service.models.newsletter import Newsletter
from service.models.subscriber import Subscriber, Subscription
from service.models.upkeep import AuditEntry, Duty, Installation, Operator

__all__ = [
    "Attempt",
    "AuditEntry",
    "Base",
    "Batch",
    "Cohort",
    "ConsentRecord",
    "ConsentWording",
    "Delivery",
    "Duty",
    "Event",
    "Import",
    "ImportedRow",
    "Installation",
    "Issue",
    "Newsletter",
    "Operator",
    "Payload",
    "Subscriber",
    "Subscription",
    "Suppression",
    "Variant",
]
