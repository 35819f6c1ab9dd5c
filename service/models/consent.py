"""Who agreed to what, and why we will not write to an address again."""

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id, Key


class ConsentWording(Base):
    """The exact words that somebody agreed to, kept once."""

    __tablename__ = "consent_wordings"

    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    wording: Mapped[str]
    created_at: Mapped[CreatedAt]


class ConsentRecord(Base):
    """One act, never changed: given, withdrawn, … for a purpose (`newsletter`, `tracking`)."""

    __tablename__ = "consent_records"
    __table_args__ = (
        Index(None, "email_key", "newsletter_id"),
        CheckConstraint("purpose IN ('newsletter', 'tracking')", name="purpose"),
        CheckConstraint("action IN ('given', 'confirmed', 'withdrawn')", name="action"),
    )

    id: Mapped[Id]
    email_key: Mapped[Key]
    newsletter_id: Mapped[int | None] = mapped_column(ForeignKey("newsletters.id"))
    purpose: Mapped[str]
    action: Mapped[str]
    at: Mapped[CreatedAt]
    method: Mapped[str]
    wording_sha256: Mapped[bytes | None] = mapped_column(ForeignKey("consent_wordings.sha256"))
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))
    details: Mapped[Document]


class Suppression(Base):
    """Why we will not write to an address again, kept by keyed hash; in force until lifted."""

    __tablename__ = "suppressions"
    __table_args__ = (
        Index("uq_suppressions_in_force", "email_key", "kind", unique=True, postgresql_where=text("lifted_at IS NULL")),
        CheckConstraint("kind IN ('left-all', 'hard-bounce', 'complaint', 'provider', 'manual')", name="kind"),
    )

    id: Mapped[Id]
    email_key: Mapped[Key]
    kind: Mapped[str]
    source: Mapped[str]
    since: Mapped[CreatedAt]
    lifted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lifted_because: Mapped[str | None]
