"""Imports that run in the background and can be undone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

_STATES = "state IN ('uploaded', 'reviewing', 'reviewed', 'running', 'done', 'failed', 'undone')"


def _json(name: str, default: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), server_default=default, nullable=False)


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="uploaded", nullable=False),
        _json("columns", "{}"),
        _json("choices", "{}"),
        _json("report", "{}"),
        sa.Column("error", sa.Text()),
        sa.Column("rows_read", sa.Integer(), server_default="0", nullable=False),
        sa.Column("import_id", sa.BigInteger()),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(_STATES, name=op.f("ck_uploads_state")),
        sa.ForeignKeyConstraint(["newsletter_id"], ["newsletters.id"], name=op.f("fk_uploads_newsletter_id")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_uploads_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.add_column("imports", sa.Column("upload_id", sa.BigInteger()))
    op.create_unique_constraint(op.f("uq_imports_upload_id"), "imports", ["upload_id"])
    op.create_table(
        "import_changes",
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_import_changes_import_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_import_changes_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "subscriber_id", "what", name=op.f("pk_import_changes")),
    )
    op.create_index(op.f("ix_import_changes_subscriber_id"), "import_changes", ["subscriber_id"])


def downgrade() -> None:
    op.drop_table("import_changes")
    op.drop_constraint(op.f("uq_imports_upload_id"), "imports", type_="unique")
    op.drop_column("imports", "upload_id")
    op.drop_table("uploads")
