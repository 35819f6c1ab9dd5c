"""Persons, and what they are subscribed to."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id, Key


class Subscriber(Base):
    """A person, unique on the normalised address. `email_key` is that address's keyed hash, which outlives erasure."""

    __tablename__ = "subscribers"

    id: Mapped[Id]
    address: Mapped[str]
    normalised_address: Mapped[str] = mapped_column(unique=True)
    email_key: Mapped[Key] = mapped_column(unique=True)
    first_name: Mapped[str] = mapped_column(server_default="")
    last_name: Mapped[str] = mapped_column(server_default="")
    language: Mapped[str] = mapped_column(server_default="")
    attributes: Mapped[Document]
    created_at: Mapped[CreatedAt]


class Subscription(Base):
    """Subscriber × newsletter. `tracking` is an answer of its own: consent to the newsletter never implies it."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("newsletter_id", "subscriber_id"),
        Index(None, "subscriber_id"),
        CheckConstraint("state IN ('pending', 'active', 'unsubscribed')", name="state"),
        CheckConstraint("tracking IN ('unasked', 'agreed', 'objected')", name="tracking"),
    )

    id: Mapped[Id]
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id", ondelete="CASCADE"))
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"))
    state: Mapped[str] = mapped_column(server_default="pending")
    tracking: Mapped[str] = mapped_column(server_default="unasked")
    paused_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    changed_at: Mapped[CreatedAt]
    created_at: Mapped[CreatedAt]
