"""Files of readers that came in, and who was in them."""

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id


class Import(Base):
    """One file as it was read: its hash is the evidence behind the consent records it made."""

    __tablename__ = "imports"

    id: Mapped[Id]
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"))
    file_name: Mapped[str]
    file_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    consent: Mapped[str]
    tracking_consent: Mapped[str | None]
    counts: Mapped[Document]
    created_at: Mapped[CreatedAt]


class ImportedRow(Base):
    """A subscriber named by a sendable row of the file, whether new or known."""

    __tablename__ = "imported_rows"

    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(
        ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
