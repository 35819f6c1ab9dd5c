"""The installation itself: its identity, its recurring duties, and what was decided."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, DateTime, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id


class Installation(Base):
    """One row. `kind` is `sandbox` or `real` from the first freeze on. `address_key_check` refuses a process whose ADDRESS_KEY is not the one that the suppressions were made with,
    and `secret_key_checks` one that lacks a key by which links were signed. `epoch` names the installation and `mark` grows; a file outside the database knows both. `restored_at`: it
    was older than that file, and nobody has said since that it is to go on."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str | None]
    address_key_check: Mapped[bytes | None] = mapped_column(LargeBinary)
    stopped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    stopped_because: Mapped[str | None]
    needs_second_step: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[CreatedAt]
    epoch: Mapped[str | None]
    mark: Mapped[int] = mapped_column(BigInteger, server_default="0")
    marked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    restored_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    restored_because: Mapped[str | None]
    secret_key_checks: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary), server_default="{}")


class Duty(Base):
    """Something that recurs; when it last succeeded is shown. `holder` does it just now, or died at it, until `lease_until`."""

    __tablename__ = "duties"

    name: Mapped[str] = mapped_column(primary_key=True)
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    holder: Mapped[str | None]
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    last_ok_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_error: Mapped[str | None]
    last_error_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Worker(Base):
    """A process that does tasks, or rings for them, as it last showed itself."""

    __tablename__ = "workers"
    __table_args__ = (CheckConstraint("kind IN ('worker', 'beat')", name="kind"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    queues: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    pid: Mapped[int]
    host: Mapped[str]
    version: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class AuditEntry(Base):
    """What somebody, or the service itself, decided; never an address in it."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_actor", "actor", "id"),
        Index("ix_audit_entries_action", "action", "id"),
        Index("ix_audit_entries_subject", "subject", "id"),
    )

    id: Mapped[Id]
    at: Mapped[CreatedAt]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[Document]


class Check(Base):
    """What was found when something outside was looked at last: SendGrid's account, the webhook, a sender's domain (`subject`).
    `findings`: `text` and what to do about it (`fix`); `records`: DNS records to set."""

    __tablename__ = "checks"
    __table_args__ = (CheckConstraint("outcome IN ('good', 'warning', 'problem', 'unknown')", name="outcome"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True, server_default="")
    at: Mapped[CreatedAt]
    outcome: Mapped[str]
    findings: Mapped[list[dict[str, str]]] = mapped_column(JSONB, server_default="[]")
    records: Mapped[list[dict[str, str]]] = mapped_column(JSONB, server_default="[]")
