"""Who asked for something without being known yet: sign-ups that await their confirmation, and requests for a link."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id, Key


class Signup(Base):
    """One sent form. Nobody becomes a subscriber, and no consent counts, before it is confirmed.

    `choices`: for each newsletter, `{"newsletter": id, "tracking": bool, "export": bool, "wordings": {purpose: sha256 in hex}}`
    of the words that stood beside the boxes. `network` is a /24 or /48, `user_agent` a family's name, `form` page, embed or api.
    """

    __tablename__ = "signups"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'asked', 'known', 'limited', 'suppressed', 'confirmed')", name="state"),
        Index(None, "email_key", "created_at"),
        Index(None, "network", "created_at"),
        Index(None, "created_at"),
        Index("ix_signups_pending", "id", postgresql_where=text("state = 'pending'")),
    )

    id: Mapped[Id]
    state: Mapped[str] = mapped_column(server_default="pending")
    address: Mapped[str]
    normalised_address: Mapped[str]
    email_key: Mapped[Key]
    first_name: Mapped[str] = mapped_column(server_default="")
    last_name: Mapped[str] = mapped_column(server_default="")
    language: Mapped[str]
    attributes: Mapped[Document]
    choices: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    form: Mapped[str]
    network: Mapped[str]
    user_agent: Mapped[str]
    flags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    created_at: Mapped[CreatedAt]
    rung_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class LinkRequest(Base):
    """Somebody typed an address to get a link to their preferences; the address itself is not kept."""

    __tablename__ = "link_requests"
    __table_args__ = (
        Index(None, "network", "created_at"),
        Index("ix_link_requests_pending", "id", postgresql_where=text("answered_at IS NULL")),
    )

    id: Mapped[Id]
    email_key: Mapped[Key]
    language: Mapped[str]
    network: Mapped[str]
    created_at: Mapped[CreatedAt]
    rung_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Link(Base):
    """A mailed link to a reader's preferences: opened once, within half an hour; what it opens lasts half an hour."""

    __tablename__ = "links"
    __table_args__ = (Index(None, "subscriber_id"),)

    id: Mapped[Id]
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id", ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Mail(Base):
    """A mail of the service's own to one reader. Its text is made from `kind` and what it points to, when it is sent; the
    address is read then, and stands nowhere here."""

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('confirm', 'known', 'welcome', 'manage', 'change-old', 'change-new', 'changed')", name="kind"
        ),
        CheckConstraint("state IN ('pending', 'sending', 'sent', 'failed', 'unknown')", name="state"),
        Index(None, "email_key", "created_at"),
        Index(None, "mailbox_key", "created_at"),
        Index(None, "created_at"),
        Index(None, "signup_id"),
        Index("ix_mails_open", "id", postgresql_where=text("state IN ('pending', 'sending')")),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[str | None]
    email_key: Mapped[Key]
    # Keyed like it, of the address without tags: known for answers to sign-ups and for the new end of a change of address,
    # which are limited by it.
    mailbox_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    language: Mapped[str]
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"))
    # Stays when the sign-up goes: the limits on mails to one address look back further.
    signup_id: Mapped[int | None] = mapped_column(ForeignKey("signups.id", ondelete="SET NULL"))
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey("subscribers.id", ondelete="CASCADE"))
    link_id: Mapped[int | None] = mapped_column(BigInteger)
    address_change_id: Mapped[int | None] = mapped_column(ForeignKey("address_changes.id", ondelete="CASCADE"))
    provider: Mapped[str | None]
    tries: Mapped[int] = mapped_column(server_default="0")
    not_before: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    rung_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    delivered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    bounced_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
