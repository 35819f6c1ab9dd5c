"""The team: who works with the service, where they hold which role, and where they are signed in."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from service.models.base import Base, CreatedAt, Id

_ROLE = "role IN ('owner', 'editor', 'approver', 'analyst')"


class Operator(Base):
    """A member of the staff. `role` holds in all newsletters; null: only where a membership gives one. Without a
    `password_hash` (argon2id) nobody signs in by password. `totp_secret` is encrypted; `totp_step`: the last one that was used."""

    __tablename__ = "operators"
    __table_args__ = (CheckConstraint(_ROLE, name="role"),)

    id: Mapped[Id]
    address: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str | None]
    password_hash: Mapped[str | None]
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_step: Mapped[int | None] = mapped_column(BigInteger)
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]


class Membership(Base):
    """A role in one newsletter."""

    __tablename__ = "memberships"
    __table_args__ = (CheckConstraint(_ROLE, name="role"), Index(None, "newsletter_id"))

    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), primary_key=True)
    newsletter_id: Mapped[int] = mapped_column(ForeignKey("newsletters.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str]


class OperatorSession(Base):
    """A browser where an operator is signed in, known by the hash of what its cookie holds. `proved_at`: when they last proved
    who they are, which the gravest changes ask for anew. `awaits_step`: the password was right, the second step is still to come. `network` is a /24 or /48, `user_agent` a family's name."""

    __tablename__ = "operator_sessions"
    __table_args__ = (Index(None, "operator_id"),)

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"))
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    awaits_step: Mapped[bool] = mapped_column(server_default="false")
    by_passkey: Mapped[bool] = mapped_column(server_default="false")
    network: Mapped[str]
    user_agent: Mapped[str]
    created_at: Mapped[CreatedAt]
    seen_at: Mapped[CreatedAt]
    proved_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class RecoveryCode(Base):
    """Stands in for the second step once, when the device for it is lost. Only its hash is kept."""

    __tablename__ = "recovery_codes"

    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), primary_key=True)
    code_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SignInFailure(Base):
    """Somebody tried in vain: counted by account (a keyed hash, whether there is one or not) and by network."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (Index(None, "account_key", "at"), Index(None, "network", "at"))

    id: Mapped[Id]
    account_key: Mapped[bytes] = mapped_column(LargeBinary)
    network: Mapped[str]
    at: Mapped[CreatedAt]


class ApiKey(Base):
    """A key by which a program acts, with a role in one newsletter, or in all. Without `created_by` the shell made it."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint(_ROLE, name="role"),)

    id: Mapped[Id]
    name: Mapped[str]
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    last_four: Mapped[str]
    role: Mapped[str]
    newsletter_id: Mapped[int | None] = mapped_column(ForeignKey("newsletters.id"))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("operators.id"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class TeamMail(Base):
    """A mail to somebody of the team. `reset`: a link to set a forgotten password; `report`: what became of an issue, once to each
    whom it concerns; `alarm`: that something went wrong."""

    __tablename__ = "team_mails"
    __table_args__ = (
        CheckConstraint("kind IN ('reset', 'report', 'alarm')", name="kind"),
        CheckConstraint("state IN ('pending', 'sending', 'sent', 'failed', 'unknown')", name="state"),
        Index(None, "operator_id"),
        Index("ix_team_mails_open", "id", postgresql_where=text("state IN ('pending', 'sending')")),
        Index("uq_team_mails_report", "issue_id", "operator_id", unique=True, postgresql_where=text("kind = 'report'")),
    )

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"))
    kind: Mapped[str]
    issue_id: Mapped[int | None] = mapped_column(ForeignKey("issues.id", ondelete="CASCADE"))
    alarm_id: Mapped[int | None] = mapped_column(ForeignKey("alarms.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default="pending")
    tries: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str | None]
    not_before: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Passkey(Base):
    """A key pair whose private half never leaves an operator's device (WebAuthn). `last_challenge`: what it signed last, so that
    the same signature opens nothing twice."""

    __tablename__ = "passkeys"
    __table_args__ = (Index(None, "operator_id"),)

    id: Mapped[Id]
    operator_id: Mapped[int] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"))
    name: Mapped[str]
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    last_challenge: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
