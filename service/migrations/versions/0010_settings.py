"""What a team sets for a newsletter beyond its first needs."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("newsletters", sa.Column("subject_prefix", sa.Text(), server_default="", nullable=False))
    op.add_column("newsletters", sa.Column("undo_seconds", sa.Integer(), server_default="20", nullable=False))
    op.add_column("newsletters", sa.Column("typed_above", sa.Integer(), server_default="1000", nullable=False))
    op.create_check_constraint(op.f("ck_newsletters_undo"), "newsletters", "undo_seconds BETWEEN 10 AND 60")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_newsletters_undo"), "newsletters", type_="check")
    for name in ("typed_above", "undo_seconds", "subject_prefix"):
        op.drop_column("newsletters", name)
