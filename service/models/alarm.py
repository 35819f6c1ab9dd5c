"""What goes wrong while the service runs by itself: alarms for people, and the breaker of each key that mail is sent by."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id


def _moment() -> Mapped[datetime | None]:
    return mapped_column(DateTime(timezone=True))


class Breaker(Base):
    """Whether a key is fit to send by. `provider` holds the key's fingerprint, never the key. `open`: nothing is sent until
    `open_until`, then one small batch at a time, until some went well; `refused`: nothing is until a person says so."""

    __tablename__ = "breakers"
    __table_args__ = (CheckConstraint("state IN ('closed', 'open', 'refused')", name="state"),)

    provider: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(server_default="closed")
    faults: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default="{}")
    good: Mapped[int] = mapped_column(server_default="0")
    open_until: Mapped[datetime | None] = _moment()
    probe_batch: Mapped[int | None] = mapped_column(BigInteger)
    probe_until: Mapped[datetime | None] = _moment()


class Alarm(Base):
    """Something that a person must know of: once for each kind and subject while it lasts. Never an address in it. `figures`: the
    counts that it was opened for, or acknowledged with."""

    __tablename__ = "alarms"
    __table_args__ = (
        Index("uq_alarms_open", "kind", "subject", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index(None, "issue_id"),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    subject: Mapped[str]
    newsletter_id: Mapped[int | None] = mapped_column(ForeignKey("newsletters.id", ondelete="CASCADE"))
    issue_id: Mapped[int | None] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"))
    told: Mapped[str]
    figures: Mapped[Document]
    opened_at: Mapped[CreatedAt]
    posted_at: Mapped[datetime | None] = _moment()
    post_tries: Mapped[int] = mapped_column(server_default="0")
    post_not_before: Mapped[datetime | None] = _moment()
    post_error: Mapped[str | None]
    acknowledged_at: Mapped[datetime | None] = _moment()
    acknowledged_by: Mapped[str | None]
    acknowledged_because: Mapped[str | None]
    closed_at: Mapped[datetime | None] = _moment()
