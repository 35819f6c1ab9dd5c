"""An issue as it is being written: what it was before, its pictures, and who has it open."""

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt


class IssueVersion(Base):
    """The text after one saving. `why`: made, saved, autosaved, merged, restored, uploaded, or not-merged: somebody's text that
    came in when another's was there already."""

    __tablename__ = "issue_versions"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str]
    versions: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    actor: Mapped[str]
    why: Mapped[str]
    at: Mapped[CreatedAt]


class IssuePicture(Base):
    """A picture that the text may name, and where it is stored."""

    __tablename__ = "issue_pictures"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    media: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]


class IssueEditor(Base):
    """Who has the issue open to write."""

    __tablename__ = "issue_editors"

    issue_id: Mapped[int] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True)
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), primary_key=True)
    seen_at: Mapped[CreatedAt]
