"""Saved conditions over readers, and the team's own words for them."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Id


class Segment(Base):
    """Who of a newsletter's readers is meant: `blocks` as in `domain.segments`. An archived one is chosen no more."""

    __tablename__ = "segments"
    __table_args__ = (
        Index(
            "uq_segments_name",
            "newsletter_id",
            text("lower(name)"),
            unique=True,
            postgresql_where=text("archived_at IS NULL"),
        ),
    )

    id: Mapped[Id]
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"))
    name: Mapped[str]
    blocks: Mapped[list[list[dict[str, Any]]]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    changed_at: Mapped[CreatedAt]
    archived_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Tag(Base):
    """A word of the team's for readers."""

    __tablename__ = "tags"
    __table_args__ = (Index("uq_tags_name", text("lower(name)"), unique=True),)

    id: Mapped[Id]
    name: Mapped[str]


class SubscriberTag(Base):
    """A reader has a tag."""

    __tablename__ = "subscriber_tags"

    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(
        ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[CreatedAt]
