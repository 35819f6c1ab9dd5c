"""What SendGrid tells us: payloads as they came in, and events as we understand them. Both tables are partitioned."""

import uuid
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Sequence,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt

PAYLOAD_IDS = Sequence("payloads_id_seq", metadata=Base.metadata)


class Payload(Base):
    """One raw POST, zlib-compressed, in a partition a day so that old ones are dropped whole."""

    __tablename__ = "payloads"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'ingested', 'set-aside')", name="state"),
        Index("ix_payloads_pending", "id", postgresql_where=text("state = 'pending'")),
        {"postgresql_partition_by": "RANGE (received_on)"},
    )

    # A sequence of its own: before version 17 a partitioned table cannot have an identity column.
    id: Mapped[int] = mapped_column(BigInteger, PAYLOAD_IDS, primary_key=True, server_default=PAYLOAD_IDS.next_value())
    received_on: Mapped[date] = mapped_column(Date, primary_key=True, server_default=func.current_date())
    received_at: Mapped[CreatedAt]
    state: Mapped[str] = mapped_column(server_default="pending")
    body: Mapped[bytes] = mapped_column(LargeBinary)
    tries: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[str | None]
    events: Mapped[int | None]
    fresh: Mapped[int | None]
    strays: Mapped[int | None]
    rung_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Event(Base):
    """Something that happened to a delivery, once: `key` is our own, because SendGrid's ids may differ between redeliveries.
    One partition an issue, so that old issues do not slow the present one."""

    __tablename__ = "events"
    # By delivery first: for erasing a reader, and because the events of one set then lie together in it. Keys alone are random.
    __table_args__ = (
        PrimaryKeyConstraint("delivery_id", "key", "issue_id"),
        {"postgresql_partition_by": "LIST (issue_id)"},
    )

    issue_id: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[int] = mapped_column(BigInteger)
    delivery_id: Mapped[int] = mapped_column(BigInteger)
    attempt_id: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    type: Mapped[str]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    detail: Mapped[str | None]
    url: Mapped[str | None]
