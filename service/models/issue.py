"""One edition of a newsletter, its variants and its cohorts."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Document, Id


class Issue(Base):
    """`audience` says who is meant: `{}` all of the newsletter; `import`: the readers of that file; `again`: also those who have
    this content already. `versions`: language → source of the other languages. `provider` is frozen when the issue is scheduled. `forgotten`: how many readers opened and clicked
    of whom it is not kept any more who they were, and when that was last seen to. `local_at`: the hour by each reader's own clock, where it is sent so. `problems` keep the present text from being
    rendered, and the issue from being sent; `version` is the number of the present text."""

    __tablename__ = "issues"
    __table_args__ = (
        Index(None, "newsletter_id", "content_hash"),
        Index("ix_issues_open", "state", postgresql_where=text("state IN ('scheduled', 'preparing', 'sending')")),
        CheckConstraint(
            "state IN ('draft', 'approved', 'scheduled', 'preparing', 'sending', 'sent', 'paused', 'cancelled', 'held')",
            name="state",
        ),
    )

    id: Mapped[Id]
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id"))
    state: Mapped[str] = mapped_column(server_default="draft")
    state_reason: Mapped[str | None]
    subject: Mapped[str]
    source: Mapped[str]
    versions: Mapped[Document]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    audience: Mapped[Document]
    audience_hash: Mapped[bytes] = mapped_column(LargeBinary)
    sender_name: Mapped[str]
    sender_address: Mapped[str]
    reply_to: Mapped[str | None]
    tracking_policy: Mapped[str]
    provider: Mapped[str | None]
    marker: Mapped[str]
    batch_size: Mapped[int | None]
    candidates: Mapped[int | None]
    excluded_at_freeze: Mapped[int | None]
    scheduled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    local_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=False))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    resumed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    prepared_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    seeded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    resends_unknown: Mapped[bool] = mapped_column(server_default="false")
    in_archive: Mapped[bool] = mapped_column(server_default="false")
    forgotten: Mapped[Document]
    problems: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    version: Mapped[int] = mapped_column(server_default="1")
    archived_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]


class Variant(Base):
    """A language or audience version: rendered and inlined once, with placeholders where a reader's values go.

    `conditions`: the cases of a reader's fields that it was made for, one of which must be the reader's; none: it is the
    language's only one. `plain`: for readers of the language of whom nothing asked is true. Position 0: the plain one in
    the newsletter's language.
    """

    __tablename__ = "variants"
    __table_args__ = (UniqueConstraint("issue_id", "name"), UniqueConstraint("issue_id", "position"))

    id: Mapped[Id]
    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(server_default="0")
    name: Mapped[str] = mapped_column(server_default="default")
    language: Mapped[str]
    conditions: Mapped[list[dict[str, str]]] = mapped_column(JSONB, server_default="[]")
    plain: Mapped[bool] = mapped_column(server_default="true")
    subject: Mapped[str]
    preheader: Mapped[str]
    html: Mapped[str]
    text: Mapped[str]
    tags: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class Cohort(Base):
    """Variant × tracked or untracked: SendGrid's tracking settings exist only at the root of a request."""

    __tablename__ = "cohorts"
    __table_args__ = (UniqueConstraint("issue_id", "variant_id", "tracked"),)

    id: Mapped[Id]
    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id", ondelete="CASCADE"))
    tracked: Mapped[bool]


class Approval(Base):
    """What somebody said of an issue as it was then: asked for an approval, approved, or refused. It holds for exactly this
    content, audience and sender."""

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("decision IN ('asked', 'approved', 'refused')", name="decision"),
        Index(None, "issue_id"),
    )

    id: Mapped[Id]
    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"))
    decision: Mapped[str]
    actor: Mapped[str]
    words: Mapped[str] = mapped_column(server_default="")
    version: Mapped[int]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    audience_hash: Mapped[bytes] = mapped_column(LargeBinary)
    sender_hash: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[CreatedAt]
