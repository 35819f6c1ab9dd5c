"""What pages show without counting millions of rows: an issue's counts, joining and leaving by day, and the details that a
newsletter's readers have."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"

# By statement, not by row: an import of a million readers asks once.
_OF_READERS = """
    CREATE FUNCTION keep_fields_of_subscribers() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO newsletter_fields (newsletter_id, name)
        SELECT DISTINCT n.newsletter_id, k FROM changed c JOIN subscriptions n ON n.subscriber_id = c.id, jsonb_object_keys(c.attributes) k
        WHERE c.attributes <> '{}' ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$
"""
_OF_SUBSCRIPTIONS = """
    CREATE FUNCTION keep_fields_of_subscriptions() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO newsletter_fields (newsletter_id, name)
        SELECT DISTINCT c.newsletter_id, k FROM changed c JOIN subscribers s ON s.id = c.subscriber_id, jsonb_object_keys(s.attributes) k
        WHERE s.attributes <> '{}' ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$
"""
_TRIGGERS = (
    "CREATE TRIGGER fields_changed AFTER UPDATE ON subscribers REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keep_fields_of_subscribers()",
    "CREATE TRIGGER fields_added AFTER INSERT ON subscriptions REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keep_fields_of_subscriptions()",
)


def upgrade() -> None:
    op.create_table(
        "issue_counts",
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("issue_id", name=op.f("pk_issue_counts")),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_issue_counts_issue_id"), ondelete="CASCADE"),
    )
    op.create_table(
        "growth_days",
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("joined", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("newsletter_id", "day", name=op.f("pk_growth_days")),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name=op.f("fk_growth_days_newsletter_id"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "newsletter_fields",
        sa.Column("newsletter_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("newsletter_id", "name", name=op.f("pk_newsletter_fields")),
        sa.ForeignKeyConstraint(
            ["newsletter_id"], ["newsletters.id"], name=op.f("fk_newsletter_fields_newsletter_id"), ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_subscriptions_active", "subscriptions", ["newsletter_id"], postgresql_where=sa.text("state = 'active'")
    )
    for statement in (_OF_READERS, _OF_SUBSCRIPTIONS, *_TRIGGERS):
        op.execute(statement)
    op.execute(
        """INSERT INTO newsletter_fields (newsletter_id, name)
           SELECT DISTINCT n.newsletter_id, k FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id, jsonb_object_keys(s.attributes) k"""
    )


def downgrade() -> None:
    op.drop_index("ix_subscriptions_active", table_name="subscriptions")
    op.execute("DROP TRIGGER fields_added ON subscriptions")
    op.execute("DROP TRIGGER fields_changed ON subscribers")
    op.execute("DROP FUNCTION keep_fields_of_subscriptions()")
    op.execute("DROP FUNCTION keep_fields_of_subscribers()")
    for table in ("newsletter_fields", "growth_days", "issue_counts"):
        op.drop_table(table)
