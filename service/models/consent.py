"""Who agreed to what, and why we will not write to an address again."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id, Key


class ConsentWording(Base):
    """The exact words that somebody agreed to, kept once."""

    __tablename__ = "consent_wordings"

    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    wording: Mapped[str]
    created_at: Mapped[CreatedAt]


class ConsentRecord(Base):
    """One act, never changed: given, confirmed, withdrawn for a purpose (`newsletter`, `tracking`, `export`).

    Insert it plainly, with `details`, or call the database's `record_acts` for many: a trigger moves these to `consent_details` (`network` and `user_agent` to the part
    `origin`, the rest to `act`), leaves their salted hashes here, and chains the row to the reader's one before. The chain's
    rule is in domain/consent.py; `details` of a stored row is always empty.
    """

    __tablename__ = "consent_records"
    __table_args__ = (
        UniqueConstraint("email_key", "number"),
        CheckConstraint("purpose IN ('newsletter', 'tracking', 'export')", name="purpose"),
        CheckConstraint("action IN ('given', 'confirmed', 'withdrawn')", name="action"),
        CheckConstraint("method ~ '^[a-z-]+$'", name="method"),
    )

    id: Mapped[Id]
    email_key: Mapped[Key]
    # What the record refers to is checked by a trigger once a statement: foreign keys would ask once for each of a million rows.
    newsletter_id: Mapped[int | None] = mapped_column(BigInteger)
    purpose: Mapped[str]
    action: Mapped[str]
    at: Mapped[CreatedAt]
    method: Mapped[str]
    wording_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    import_id: Mapped[int | None] = mapped_column(BigInteger)
    details: Mapped[Document]
    number: Mapped[int]
    previous: Mapped[bytes | None] = mapped_column(LargeBinary)
    act_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    origin_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class ConsentDetails(Base):
    """What was known of an act, and the salt of its hash: deleted by retention and erasure, which leaves the chain whole."""

    __tablename__ = "consent_details"
    __table_args__ = (CheckConstraint("part IN ('act', 'origin')", name="part"),)

    # No foreign key: the trigger writes this row just before its record.
    record_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    part: Mapped[str] = mapped_column(primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    details: Mapped[str]


class ConsentDigest(Base):
    """A signed summary of a stretch of records, chained to the one before; the same bytes are kept as a file outside."""

    __tablename__ = "consent_digests"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    through_id: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]


class ConsentTombstone(Base):
    """A signed note of records that were removed when their period had ended."""

    __tablename__ = "consent_tombstones"

    id: Mapped[Id]
    body: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]


class RemovedConsentRecord(Base):
    """The number and the hash of a record that was removed: no word of a person, but digests still add up."""

    __tablename__ = "removed_consent_records"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    tombstone_id: Mapped[int] = mapped_column(ForeignKey("consent_tombstones.id"))


class Erasure(Base):
    """That a person was erased: the certificate, and the keyed hash that a restored backup is erased by again."""

    __tablename__ = "erasures"
    __table_args__ = (Index(None, "email_key"),)

    id: Mapped[Id]
    email_key: Mapped[Key]
    at: Mapped[CreatedAt]
    certificate: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)


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
