"""What was counted, so that a page need not count millions of rows."""

from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Date, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt


class IssueCounts(Base):
    """An issue's counts as they were a moment ago. Always a count of the rows themselves, never a running sum."""

    __tablename__ = "issue_counts"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True)
    counted_at: Mapped[CreatedAt]
    took_ms: Mapped[int]
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)


class GrowthDay(Base):
    """How many joined a newsletter and left it on a day (UTC)."""

    __tablename__ = "growth_days"

    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    joined: Mapped[int] = mapped_column(BigInteger)
    gone: Mapped[int] = mapped_column(BigInteger)


class WordingCounts(Base):
    """How many readers of a newsletter agreed to which words, by purpose and hash: every record through `through_id`, less those
    that went before `tombstone_id`."""

    __tablename__ = "wording_counts"

    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id", ondelete="CASCADE"), primary_key=True)
    counted_at: Mapped[CreatedAt]
    took_ms: Mapped[int]
    through_id: Mapped[int] = mapped_column(BigInteger)
    tombstone_id: Mapped[int] = mapped_column(BigInteger)
    counts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class NewsletterField(Base):
    """A detail that readers of a newsletter have, or had. Kept by triggers on what says so."""

    __tablename__ = "newsletter_fields"

    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
