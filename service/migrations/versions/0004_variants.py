"""Variants: versions in several languages, and conditions on what is known of a reader."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("variants", sa.Column("position", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "variants",
        sa.Column("conditions", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
    )
    op.add_column("variants", sa.Column("plain", sa.Boolean(), server_default="true", nullable=False))
    op.create_unique_constraint(op.f("uq_variants_issue_id_position"), "variants", ["issue_id", "position"])
    op.add_column(
        "issues",
        sa.Column("versions", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("issues", "versions")
    op.drop_constraint(op.f("uq_variants_issue_id_position"), "variants", type_="unique")
    op.drop_column("variants", "plain")
    op.drop_column("variants", "conditions")
    op.drop_column("variants", "position")
