"""What is sent: one row a reader, one row a batch, one row a POST."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Id, Key


def _moment() -> Mapped[datetime | None]:
    return mapped_column(DateTime(timezone=True))


class Batch(Base):
    """At most 1000 deliveries of one cohort: one row to claim, one task, one request.

    `size`, `excluded` and `failed` are counts of its deliveries; what is left of `size` shares the batch's state, so that
    accepting a thousand deliveries updates one row. A `split` batch's deliveries are its children's.
    """

    __tablename__ = "batches"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'claimed', 'sending', 'accepted', 'failed', 'unknown', 'split')", name="state"
        ),
        CheckConstraint("excluded >= 0 AND failed >= 0 AND excluded + failed <= size", name="counts"),
        Index(
            "ix_batches_open",
            "issue_id",
            "state",
            postgresql_where=text("state IN ('pending', 'claimed', 'sending', 'unknown')"),
        ),
        Index(None, "issue_id"),
    )

    id: Mapped[Id]
    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"))
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohorts.id", ondelete="CASCADE"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[str | None]
    size: Mapped[int]
    excluded: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    attempts: Mapped[int] = mapped_column(server_default="0")
    not_before: Mapped[datetime | None] = _moment()
    rung_at: Mapped[datetime | None] = _moment()
    review_at: Mapped[datetime | None] = _moment()
    decided_at: Mapped[datetime | None] = _moment()


class Delivery(Base):
    """One issue and one subscriber, unique twice. Changes only when something is different about it: excluded, failed, or
    an event came in. `values` are the reader's raw values of the issue's tags, in their order, frozen."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("issue_id", "subscriber_id"),
        UniqueConstraint("issue_id", "email_key"),
        Index(None, "batch_id"),
        Index(
            "ix_deliveries_excluded", "issue_id", postgresql_where=text("excluded IS NOT NULL OR failed IS NOT NULL")
        ),
        # Room on the page, and no index on the facts below: an event rewrites the row in place (a HOT update).
        {"postgresql_with": {"fillfactor": "90"}},
    )

    id: Mapped[Id]
    # Checked by a trigger once a statement: a foreign key would ask once for each of a million rows.
    issue_id: Mapped[int] = mapped_column(BigInteger)
    subscriber_id: Mapped[int | None] = mapped_column(BigInteger)
    subscription_id: Mapped[int | None] = mapped_column(BigInteger)
    batch_id: Mapped[int | None] = mapped_column(BigInteger)
    email_key: Mapped[Key]
    values: Mapped[list[str | None] | None] = mapped_column(ARRAY(Text))
    excluded: Mapped[str | None]
    failed: Mapped[str | None]
    processed_at: Mapped[datetime | None] = _moment()
    deferred_at: Mapped[datetime | None] = _moment()
    delivered_at: Mapped[datetime | None] = _moment()
    bounced_at: Mapped[datetime | None] = _moment()
    dropped_at: Mapped[datetime | None] = _moment()
    opened_at: Mapped[datetime | None] = _moment()
    opened_by_machine_at: Mapped[datetime | None] = _moment()
    clicked_at: Mapped[datetime | None] = _moment()
    complained_at: Mapped[datetime | None] = _moment()
    unsubscribed_at: Mapped[datetime | None] = _moment()


class Attempt(Base):
    """One POST, ever. Its id travels in the request, so that any event that carries it proves acceptance."""

    __tablename__ = "attempts"
    __table_args__ = (
        CheckConstraint("state IN ('claimed', 'sending', 'accepted', 'rejected', 'released', 'unknown')", name="state"),
        UniqueConstraint("batch_id", "number"),
        Index(None, "issue_id"),
        Index("ix_attempts_leased", "lease_until", postgresql_where=text("state IN ('claimed', 'sending')")),
    )

    id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True), primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"))
    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="claimed")
    reason: Mapped[str | None]
    provider: Mapped[str]
    readers: Mapped[int]
    lease_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    claimed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    armed_at: Mapped[datetime | None] = _moment()
    recorded_at: Mapped[datetime | None] = _moment()
    evidence_at: Mapped[datetime | None] = _moment()
    http_status: Mapped[int | None]
    provider_message_id: Mapped[str | None]
    body_sha256: Mapped[bytes | None]
    created_at: Mapped[CreatedAt]


class Lookup(Base):
    """One question to SendGrid about an attempt that nobody can vouch for. `found`: messages that speak of it, or its readers on
    SendGrid's lists since; null while it is asked, or with a `fault`. Nobody asks that source before `closed_until`."""

    __tablename__ = "lookups"
    __table_args__ = (
        CheckConstraint("source IN ('activity', 'suppressions')", name="source"),
        Index(None, "attempt_id"),
        Index(None, "source", "asked_at"),
    )

    id: Mapped[Id]
    attempt_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("attempts.id", ondelete="CASCADE"))
    source: Mapped[str]
    asked_at: Mapped[CreatedAt]
    found: Mapped[int | None]
    fault: Mapped[str | None]
    closed_until: Mapped[datetime | None] = _moment()
