"""Issues as they are being written: versions, pictures, who has one open."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column(
        "issues", sa.Column("problems", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False)
    )
    op.add_column("issues", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("issues", sa.Column("archived_at", sa.DateTime(timezone=True)))
    op.create_table(
        "issue_versions",
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("versions", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.id"], name=op.f("fk_issue_versions_issue_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", "number", name=op.f("pk_issue_versions")),
    )
    op.create_table(
        "issue_pictures",
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.id"], name=op.f("fk_issue_pictures_issue_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", "name", name=op.f("pk_issue_pictures")),
    )
    op.create_table(
        "issue_editors",
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.id"], name=op.f("fk_issue_editors_issue_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_issue_editors_operator_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", "operator_id", name=op.f("pk_issue_editors")),
    )
    op.execute(
        "INSERT INTO issue_versions (issue_id, number, source, versions, actor, why, at)"
        " SELECT id, 1, source, versions, 'console', 'made', created_at FROM issues"
    )


def downgrade() -> None:
    for name in ("issue_editors", "issue_pictures", "issue_versions"):
        op.drop_table(name)
    for name in ("archived_at", "version", "problems"):
        op.drop_column("issues", name)
