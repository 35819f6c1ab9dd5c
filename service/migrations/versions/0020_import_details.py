"""What an import changed in readers' details, so that taking it back restores them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False)


def upgrade() -> None:
    op.create_table(
        "import_details",
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        _json("was"),
        _json("became"),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_import_details_import_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_import_details_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "subscriber_id", name=op.f("pk_import_details")),
    )
    op.create_index(op.f("ix_import_details_subscriber_id"), "import_details", ["subscriber_id"])


def downgrade() -> None:
    op.drop_table("import_details")
