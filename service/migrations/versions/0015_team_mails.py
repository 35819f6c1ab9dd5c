"""Mails to the team: a link to set a forgotten password, and what became of an issue. And whether the second step is asked of
everybody."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "team_mails",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issue_id", sa.BigInteger()),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("not_before", sa.DateTime(timezone=True)),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_mails")),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_team_mails_operator_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_team_mails_issue_id"), ondelete="CASCADE"),
        sa.CheckConstraint("kind IN ('reset', 'report')", name=op.f("ck_team_mails_kind")),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'sent', 'failed', 'unknown')", name=op.f("ck_team_mails_state")
        ),
    )
    op.create_index(op.f("ix_team_mails_operator_id"), "team_mails", ["operator_id"])
    op.create_index(
        "ix_team_mails_open", "team_mails", ["id"], postgresql_where=sa.text("state IN ('pending', 'sending')")
    )
    op.create_index(
        "uq_team_mails_report",
        "team_mails",
        ["issue_id", "operator_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'report'"),
    )
    op.add_column("installation", sa.Column("needs_second_step", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("installation", "needs_second_step")
    op.drop_table("team_mails")
