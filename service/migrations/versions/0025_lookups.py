"""What SendGrid was asked about unknown attempts, and what it said."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_table(
        "lookups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("attempt_id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("found", sa.Integer()),
        sa.Column("fault", sa.Text()),
        sa.Column("closed_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lookups")),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name=op.f("fk_lookups_attempt_id"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("source IN ('activity', 'suppressions')", name=op.f("ck_lookups_source")),
    )
    op.create_index(op.f("ix_lookups_attempt_id"), "lookups", ["attempt_id"])
    op.create_index(op.f("ix_lookups_source_asked_at"), "lookups", ["source", "asked_at"])


def downgrade() -> None:
    op.drop_table("lookups")
