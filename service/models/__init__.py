"""Tables; no queries beyond relationships, no network."""

from service.models.alarm import Alarm, Breaker
from service.models.base import Base
from service.models.consent import (
    ConsentDetails,
    ConsentDigest,
    ConsentRecord,
    ConsentTombstone,
    ConsentWording,
    Erasure,
    RemovedConsentRecord,
    Suppression,
)
from service.models.counts import GrowthDay, IssueCounts, NewsletterField, WordingCounts
from service.models.delivery import Attempt, Batch, Delivery, Lookup
from service.models.event import Event, Payload
from service.models.importing import Import, ImportChange, ImportDetails, ImportedRow, Upload
from service.models.issue import Approval, Cohort, Issue, Variant
from service.models.newsletter import Newsletter, NewsletterWording
from service.models.operator import (
    ApiKey,
    Membership,
    Operator,
    OperatorSession,
    Passkey,
    RecoveryCode,
    SignInFailure,
    TeamMail,
)
from service.models.segment import Segment, SubscriberTag, Tag
from service.models.signup import Link, LinkRequest, Mail, Signup
from service.models.subscriber import AddressChange, LeaveReason, Subscriber, Subscription, UncountedLeaving
from service.models.upkeep import AuditEntry, Check, Duty, Installation, Worker
from service.models.writing import IssueEditor, IssuePicture, IssueVersion

__all__ = [
    "AddressChange",
    "Alarm",
    "ApiKey",
    "Approval",
    "Attempt",
    "AuditEntry",
    "Base",
    "Batch",
    "Breaker",
    "Check",
    "Cohort",
    "ConsentDetails",
    "ConsentDigest",
    "ConsentRecord",
    "ConsentTombstone",
    "ConsentWording",
    "Delivery",
    "Duty",
    "Erasure",
    "Event",
    "GrowthDay",
    "Import",
    "ImportChange",
    "ImportDetails",
    "ImportedRow",
    "Installation",
    "Issue",
    "IssueCounts",
    "IssueEditor",
    "IssuePicture",
    "IssueVersion",
    "LeaveReason",
    "Link",
    "LinkRequest",
    "Lookup",
    "Mail",
    "Membership",
    "Newsletter",
    "NewsletterField",
    "NewsletterWording",
    "Operator",
    "OperatorSession",
    "Passkey",
    "Payload",
    "RecoveryCode",
    "RemovedConsentRecord",
    "Segment",
    "SignInFailure",
    "Signup",
    "Subscriber",
    "SubscriberTag",
    "Subscription",
    "Suppression",
    "Tag",
    "TeamMail",
    "UncountedLeaving",
    "Upload",
    "Variant",
    "WordingCounts",
    "Worker",
]
