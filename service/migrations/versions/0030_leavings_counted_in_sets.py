"""Leavings that are still to be counted on an issue. They are counted in sets, so that leaving waits for no report, and none is lost."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.create_table(
        "uncounted_leavings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uncounted_leavings")),
    )


def downgrade() -> None:
    op.drop_table("uncounted_leavings")
