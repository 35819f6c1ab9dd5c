"""Events are unique within their delivery: eight bytes of a key do, and one index does what two did. Keys alone are random, so that each
event of a large issue touched a page of its own."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.drop_constraint("pk_events", "events", type_="primary")
    op.execute(
        "ALTER TABLE events ALTER COLUMN key TYPE bigint USING CAST(CAST('x' || encode(substr(key, 1, 8), 'hex') AS bit(64)) AS bigint)"
    )
    op.create_primary_key("pk_events", "events", ["delivery_id", "key", "issue_id"])
    op.drop_index("ix_events_delivery_id", table_name="events")


def downgrade() -> None:
    op.create_index("ix_events_delivery_id", "events", ["delivery_id"])
    op.drop_constraint("pk_events", "events", type_="primary")
    # The other eight bytes are gone: an event of before that is told once more counts once more.
    op.execute("ALTER TABLE events ALTER COLUMN key TYPE bytea USING int8send(key)")
    op.create_primary_key("pk_events", "events", ["issue_id", "key"])
