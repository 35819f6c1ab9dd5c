"""The team: how operators sign in, where they hold which role, and keys for programs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ROLE = "role IN ('owner', 'editor', 'approver', 'analyst')"


def upgrade() -> None:
    op.alter_column("operators", "role", nullable=True)
    op.add_column("operators", sa.Column("password_hash", sa.Text()))
    op.add_column("operators", sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False))
    op.add_column("operators", sa.Column("disabled_at", sa.DateTime(timezone=True)))
    op.add_column("operators", sa.Column("totp_secret", sa.LargeBinary()))
    op.add_column("operators", sa.Column("totp_step", sa.BigInteger()))
    op.create_table(
        "recovery_codes",
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_recovery_codes_operator_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("operator_id", "code_sha256", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_key", sa.LargeBinary(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(op.f("ix_sign_in_failures_account_key_at"), "sign_in_failures", ["account_key", "at"])
    op.create_index(op.f("ix_sign_in_failures_network_at"), "sign_in_failures", ["network", "at"])
    op.create_table(
        "memberships",
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.CheckConstraint(_ROLE, name=op.f("ck_memberships_role")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_memberships_operator_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name=op.f("fk_memberships_newsletter_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("operator_id", "newsletter_id", name=op.f("pk_memberships")),
    )
    op.create_index(op.f("ix_memberships_newsletter_id"), "memberships", ["newsletter_id"])
    op.create_table(
        "operator_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("awaits_step", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False)
            for name in ("created_at", "seen_at", "proved_at")
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_operator_sessions_operator_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_sessions")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_operator_sessions_token_sha256")),
    )
    op.create_index(op.f("ix_operator_sessions_operator_id"), "operator_sessions", ["operator_id"])


def downgrade() -> None:
    op.drop_table("operator_sessions")
    op.drop_table("memberships")
    op.drop_table("sign_in_failures")
    op.drop_table("recovery_codes")
    op.drop_column("operators", "totp_step")
    op.drop_column("operators", "totp_secret")
    op.drop_column("operators", "disabled_at")
    op.drop_column("operators", "time_zone")
    op.drop_column("operators", "password_hash")
    op.execute("DELETE FROM operators WHERE role IS NULL")
    op.alter_column("operators", "role", nullable=False)
