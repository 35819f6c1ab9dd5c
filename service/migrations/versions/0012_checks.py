"""What was found when the installation's surroundings were looked at: SendGrid's account, the webhook, senders' domains."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "checks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("records", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("name", "subject", name=op.f("pk_checks")),
        sa.CheckConstraint("outcome IN ('good', 'warning', 'problem', 'unknown')", name=op.f("ck_checks_outcome")),
    )


def downgrade() -> None:
    op.drop_table("checks")
