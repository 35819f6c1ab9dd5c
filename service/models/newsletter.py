"""A publication: sender, postal address, language, design, consent wording, tracking policy."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Id


class Newsletter(Base):
    """`tracking_policy`: agreed (only who agreed is tracked), not-objected, none. `maximum_audience` holds larger issues.

    `signup_fields`: what the sign-up form asks beside the address. `allowed_origins`: sites whose scripts may sign readers up.
    `needs_export_consent`: nobody is mailed who has not agreed to the transfer abroad. `welcome`: a text of the team's for the
    welcome mail; empty for the standard one, null for none. `subject_prefix` stands before every subject. `undo_seconds`: how long a
    sending can be taken back; above `typed_above` readers, whoever sends types their number. `seeds`: colleagues' addresses that get each issue, too.
    """

    __tablename__ = "newsletters"
    __table_args__ = (
        CheckConstraint("tracking_policy IN ('agreed', 'not-objected', 'none')", name="tracking_policy"),
        CheckConstraint("undo_seconds BETWEEN 10 AND 60", name="undo"),
    )

    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    sender_name: Mapped[str]
    sender_address: Mapped[str]
    reply_to: Mapped[str | None]
    postal_address: Mapped[str]
    language: Mapped[str] = mapped_column(server_default="en")
    design: Mapped[str] = mapped_column(server_default="gazette")
    brand_colour: Mapped[str] = mapped_column(server_default="#1f3a5f")
    tracking_policy: Mapped[str] = mapped_column(server_default="agreed")
    needs_approval: Mapped[bool] = mapped_column(server_default="false")
    maximum_audience: Mapped[int | None]
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    description: Mapped[str] = mapped_column(server_default="")
    privacy_url: Mapped[str | None]
    logo: Mapped[str | None]
    accepts_signups: Mapped[bool] = mapped_column(server_default="false")
    signup_fields: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    allowed_origins: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    needs_export_consent: Mapped[bool] = mapped_column(server_default="false")
    has_archive: Mapped[bool] = mapped_column(server_default="false")
    welcome: Mapped[str | None]
    subject_prefix: Mapped[str] = mapped_column(server_default="")
    undo_seconds: Mapped[int] = mapped_column(server_default="20")
    typed_above: Mapped[int] = mapped_column(server_default="1000")
    seeds: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    created_at: Mapped[CreatedAt]


class NewsletterWording(Base):
    """What a reader is asked to agree to, for a purpose and in a language: the words shown today. What was shown to whom is in
    the consent records."""

    __tablename__ = "newsletter_wordings"
    __table_args__ = (CheckConstraint("purpose IN ('newsletter', 'tracking', 'export')", name="purpose"),)

    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"), primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    wording: Mapped[str]
