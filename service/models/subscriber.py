"""Persons, and what they are subscribed to."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id, Key


class Subscriber(Base):
    """A person, unique on the normalised address. `email_key` is that address's keyed hash, which outlives erasure."""

    __tablename__ = "subscribers"
    # For finding somebody by the beginning of what is remembered of them.
    __table_args__ = (
        Index(
            "uq_subscribers_normalised_address",
            "normalised_address",
            unique=True,
            postgresql_ops={"normalised_address": "text_pattern_ops"},
        ),
        Index("ix_subscribers_first_name_prefix", text("lower(first_name) text_pattern_ops")),
        Index("ix_subscribers_last_name_prefix", text("lower(last_name) text_pattern_ops")),
        Index("ix_subscribers_organisation_prefix", text("lower(attributes ->> 'organisation') text_pattern_ops")),
        Index("ix_subscribers_domain", text("split_part(normalised_address, '@', 2)")),
    )

    id: Mapped[Id]
    address: Mapped[str]
    normalised_address: Mapped[str]
    email_key: Mapped[Key] = mapped_column(unique=True)
    first_name: Mapped[str] = mapped_column(server_default="")
    last_name: Mapped[str] = mapped_column(server_default="")
    language: Mapped[str] = mapped_column(server_default="")
    attributes: Mapped[Document]
    created_at: Mapped[CreatedAt]


class Subscription(Base):
    """Subscriber × newsletter. `tracking`, and `export_consent` to the transfer of the address abroad, are answers of their own:
    consent to the newsletter never implies them."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "newsletter_id"),
        # For counting a newsletter's readers without reading them.
        Index(None, "newsletter_id", "state"),
        CheckConstraint("state IN ('pending', 'active', 'unsubscribed')", name="state"),
        CheckConstraint("tracking IN ('unasked', 'agreed', 'objected')", name="tracking"),
        CheckConstraint("export_consent IN ('unasked', 'agreed', 'objected')", name="export_consent"),
    )

    id: Mapped[Id]
    # Checked by a trigger once a statement: foreign keys would ask once for each of a million rows. Ends with the subscriber.
    subscriber_id: Mapped[int] = mapped_column(BigInteger)
    newsletter_id: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(server_default="pending")
    tracking: Mapped[str] = mapped_column(server_default="unasked")
    export_consent: Mapped[str] = mapped_column(server_default="unasked")
    paused_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    changed_at: Mapped[CreatedAt]
    created_at: Mapped[CreatedAt]


class AddressChange(Base):
    """A reader's wish to be written to elsewhere; done when both the old and the new address have said yes."""

    __tablename__ = "address_changes"
    __table_args__ = (Index(None, "subscriber_id"),)

    id: Mapped[Id]
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id", ondelete="CASCADE"))
    address: Mapped[str]
    normalised_address: Mapped[str]
    email_key: Mapped[Key]
    language: Mapped[str]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    old_confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    new_confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    refused_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class UncountedLeaving(Base):
    """Somebody left by a mail's link, and it is still to be counted on the issue: for some seconds."""

    __tablename__ = "uncounted_leavings"

    id: Mapped[Id]
    subscription_id: Mapped[int] = mapped_column(BigInteger)
    left_at: Mapped[CreatedAt]


class LeaveReason(Base):
    """Why somebody left, for the report; it names no person once the subscription is gone."""

    __tablename__ = "leave_reasons"

    id: Mapped[Id]
    subscription_id: Mapped[int | None] = mapped_column(
        ForeignKey("subscriptions.id", ondelete="SET NULL"), unique=True
    )
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"))
    issue_id: Mapped[int | None] = mapped_column(ForeignKey("issues.id"))
    reason: Mapped[str]
    words: Mapped[str] = mapped_column(server_default="")
    at: Mapped[CreatedAt]
