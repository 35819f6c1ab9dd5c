"""Alarms, and the breaker of each key that mail is sent by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "breakers",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="closed", nullable=False),
        sa.Column("faults", sa.ARRAY(sa.DateTime(timezone=True)), server_default="{}", nullable=False),
        sa.Column("good", sa.Integer(), server_default="0", nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True)),
        sa.Column("probe_batch", sa.BigInteger()),
        sa.Column("probe_until", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('closed', 'open', 'refused')", name=op.f("ck_breakers_state")),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_breakers")),
    )
    op.create_table(
        "alarms",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("newsletter_id", sa.BigInteger()),
        sa.Column("issue_id", sa.BigInteger()),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("figures", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True)),
        sa.Column("post_tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("post_not_before", sa.DateTime(timezone=True)),
        sa.Column("post_error", sa.Text()),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True)),
        sa.Column("acknowledged_by", sa.Text()),
        sa.Column("acknowledged_because", sa.Text()),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_alarms_issue_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name=op.f("fk_alarms_newsletter_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index(
        "uq_alarms_open", "alarms", ["kind", "subject"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index("ix_alarms_issue_id", "alarms", ["issue_id"])
    op.add_column("team_mails", sa.Column("alarm_id", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_team_mails_alarm_id"), "team_mails", "alarms", ["alarm_id"], ["id"], ondelete="CASCADE"
    )
    op.add_column("issues", sa.Column("resends_unknown", sa.Boolean(), server_default="false", nullable=False))
    op.drop_constraint("ck_team_mails_kind", "team_mails")
    op.create_check_constraint(op.f("ck_team_mails_kind"), "team_mails", "kind IN ('reset', 'report', 'alarm')")


def downgrade() -> None:
    op.execute("DELETE FROM team_mails WHERE kind = 'alarm'")
    op.drop_constraint("ck_team_mails_kind", "team_mails")
    op.create_check_constraint(op.f("ck_team_mails_kind"), "team_mails", "kind IN ('reset', 'report')")
    op.drop_column("issues", "resends_unknown")
    op.drop_column("team_mails", "alarm_id")
    op.drop_table("alarms")
    op.drop_table("breakers")
