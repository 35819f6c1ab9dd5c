"""Whom a subscription or a row of an import names is looked for once a statement, as what else they refer to: a foreign key asks, and
locks, once for each of a million readers. And what an import begins is noted with the row that it is of, which is written anyway."""

import sqlalchemy as sa
from alembic import op

from service.migrations.locking import lock_readers_tables

revision = "0031"
down_revision = "0030"

_OTHERS = {"subscriptions": ("newsletter_id", "newsletters"), "imported_rows": ("import_id", "imports")}
# As the owner, and without scans of the whole table, as all that look for what is referred to.
_FUNCTION = """
    CREATE OR REPLACE FUNCTION {table}_refer_to_what_is_there() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
    {declare}BEGIN
        IF (
            WITH named AS (SELECT DISTINCT {column} AS one FROM added WHERE {column} IS NOT NULL),
                found AS (SELECT FROM {there} WHERE id IN (SELECT one FROM named) FOR KEY SHARE)
            SELECT (SELECT count(*) FROM named) <> (SELECT count(*) FROM found)
        ) THEN
            RAISE EXCEPTION '{table}.{column} names what is not there in {there}' USING ERRCODE = 'foreign_key_violation';
        END IF;{readers}
        RETURN NULL;
    END $$
"""
# The lock is a foreign key's: who deletes the reader meanwhile is waited for, and then they are missing. Those that this transaction made
# need none: nobody else sees them, and to lock a million takes as long as to write them. Each is looked up by itself: a plan that was made
# for one row is kept for a million, and must not read them all for each.
_READERS = """
        SELECT bool_or(s.id IS NULL), bool_or(s.xmin <> pg_current_xact_id()::xid) INTO is_missing, is_shared
        FROM added a LEFT JOIN LATERAL (SELECT id, xmin FROM subscribers WHERE id = a.subscriber_id OFFSET 0) s ON true;
        IF is_shared THEN
            PERFORM FROM (SELECT DISTINCT subscriber_id AS one FROM added ORDER BY 1) a CROSS JOIN LATERAL (
                SELECT FROM subscribers WHERE id = a.one AND xmin <> pg_current_xact_id()::xid FOR KEY SHARE
            ) s;
            SELECT bool_or(s.id IS NULL) INTO is_missing
            FROM added a LEFT JOIN LATERAL (SELECT id FROM subscribers WHERE id = a.subscriber_id OFFSET 0) s ON true;
        END IF;
        IF is_missing THEN
            RAISE EXCEPTION '{table}.subscriber_id names what is not there in subscribers' USING ERRCODE = 'foreign_key_violation';
        END IF;"""
_GO_WITH = """
    CREATE FUNCTION go_with_subscribers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
    DECLARE
        one bigint;
    BEGIN
        FOR one IN SELECT id FROM gone LOOP
            DELETE FROM subscriptions WHERE subscriber_id = one;
            DELETE FROM imported_rows WHERE subscriber_id = one;
        END LOOP;
        RETURN NULL;
    END $$
"""
_NOT_FOR_OTHERS = "REVOKE ALL ON FUNCTION {name}() FROM PUBLIC"
_GO = "CREATE TRIGGER go AFTER DELETE ON subscribers REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION go_with_subscribers()"
_STAY = "CREATE TRIGGER stay_with_{column} BEFORE UPDATE OF {column} ON {table} FOR EACH ROW WHEN (OLD.{column} IS DISTINCT FROM NEW.{column}) EXECUTE FUNCTION stay_with_what_is_referred_to()"
_KEEP_KEY = "CREATE TRIGGER keep_key BEFORE UPDATE OF id ON {table} FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) EXECUTE FUNCTION keep_what_is_referred_to({given})"


def _function(table: str, column: str, there: str, *, readers: bool = False) -> str:
    return _FUNCTION.format(
        table=table,
        column=column,
        there=there,
        declare="DECLARE is_missing boolean; is_shared boolean;\n    " if readers else "",
        readers=_READERS.format(table=table) if readers else "",
    )


def upgrade() -> None:
    lock_readers_tables()
    # As all that look for a reader's last record: a plan that was made while the table was empty is kept while it grows.
    op.execute("ALTER FUNCTION chain_consent() SET enable_seqscan = off")
    op.add_column("imported_rows", sa.Column("began", sa.Boolean(), server_default=sa.false(), nullable=False))
    for table, (column, there) in _OTHERS.items():
        op.drop_constraint(f"fk_{table}_subscriber_id", table, type_="foreignkey")
        op.execute(_function(table, column, there, readers=True))
        op.execute(_STAY.format(table=table, column="subscriber_id"))
    op.execute(_GO_WITH)
    op.execute(_NOT_FOR_OTHERS.format(name="go_with_subscribers"))
    op.execute(_GO)
    op.execute(
        _KEEP_KEY.format(
            table="subscribers", given="'id', 'subscriptions', 'subscriber_id', 'imported_rows', 'subscriber_id'"
        )
    )


def downgrade() -> None:
    lock_readers_tables()
    op.execute("ALTER FUNCTION chain_consent() RESET enable_seqscan")
    op.execute("DROP TRIGGER keep_key ON subscribers")
    op.execute("DROP TRIGGER go ON subscribers")
    op.execute("DROP FUNCTION go_with_subscribers()")
    for table, (column, there) in _OTHERS.items():
        op.execute(f"DROP TRIGGER stay_with_subscriber_id ON {table}")
        op.execute(_function(table, column, there))
        op.create_foreign_key(
            f"fk_{table}_subscriber_id", table, "subscribers", ["subscriber_id"], ["id"], ondelete="CASCADE"
        )
    op.execute("INSERT INTO import_changes SELECT import_id, subscriber_id, 'added' FROM imported_rows WHERE began")
    op.drop_column("imported_rows", "began")
