"""Files of readers that came in, and who was in them."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id


class Import(Base):
    """One file as it was read: its hash is the evidence behind the consent records it made. An upload is taken once."""

    __tablename__ = "imports"

    id: Mapped[Id]
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"))
    file_name: Mapped[str]
    file_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    consent: Mapped[str]
    tracking_consent: Mapped[str | None]
    counts: Mapped[Document]
    upload_id: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    created_at: Mapped[CreatedAt]


class ImportedRow(Base):
    """A subscriber named by a sendable row of the file, whether new or known. `began`: the import began the subscription, or made it
    active, which undoing the import takes back. Ends with the subscriber."""

    __tablename__ = "imported_rows"
    __table_args__ = (
        PrimaryKeyConstraint("subscriber_id", "import_id"),
        # An import's rows lie together.
        Index(None, "import_id", postgresql_using="brin"),
    )

    # Checked by a trigger once a statement: foreign keys would ask once for each of a million rows.
    import_id: Mapped[int] = mapped_column(BigInteger, autoincrement=False)
    subscriber_id: Mapped[int] = mapped_column(BigInteger, autoincrement=False)
    began: Mapped[bool] = mapped_column(server_default=false())


class ImportChange(Base):
    """What an import began with a subscriber (`added`, `activated`), of one from before its rows said so: undoing takes it back, too."""

    __tablename__ = "import_changes"

    # Checked by a trigger once a statement: a foreign key would ask once for each of a million rows.
    import_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    subscriber_id: Mapped[int] = mapped_column(
        ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    what: Mapped[str] = mapped_column(primary_key=True)


class ImportDetails(Base):
    """What an import changed in the details of a reader who was there before, and only that: for taking it back. `was` and
    `became`: field → value, and `attributes`: name → value, null where there was none."""

    __tablename__ = "import_details"

    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(
        ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    was: Mapped[Document]
    became: Mapped[Document]


class Upload(Base):
    """A file that somebody of the team sent, on its way through the steps of an import. `columns`: place → what it holds;
    `choices`: consent, tracking_consent, encoding, update_existing, implied_until; `report`: what became, or would become, of its rows."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint(
            "state IN ('uploaded', 'reviewing', 'reviewed', 'running', 'done', 'failed', 'undone')",
            name="state",
        ),
    )

    id: Mapped[Id]
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"))
    actor: Mapped[str]
    file_name: Mapped[str]
    path: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="uploaded")
    columns: Mapped[Document]
    choices: Mapped[Document]
    report: Mapped[Document]
    error: Mapped[str | None]
    rows_read: Mapped[int] = mapped_column(server_default="0")
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
