"""Tables locked for a migration beside a service that goes on working."""

from alembic import op

# Whoever comes behind a waiting lock waits as well, perhaps with another of the tables in hand. No order is the right one: some statements of
# the service take subscriptions first, others subscribers. So it waits for less time than it takes PostgreSQL to look for a circle, lets go
# of everything, and tries again.
_LOCK = """
    DO $$
    DECLARE
        usual text := current_setting('lock_timeout');
        began timestamptz := clock_timestamp();
    BEGIN
        -- An import's own lock first: whoever else wants these tables does not wait for an import only because the migration does.
        PERFORM pg_advisory_xact_lock(1229803599);
        PERFORM set_config('lock_timeout', '200ms', true);
        LOOP
            BEGIN
                LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE;
                EXIT;
            EXCEPTION WHEN lock_not_available THEN
                IF clock_timestamp() > began + interval '10 minutes' THEN
                    RAISE;
                END IF;
            END;
            PERFORM pg_sleep(0.1);
        END LOOP;
        PERFORM set_config('lock_timeout', usual, true);
    END $$
"""


def lock_readers_tables() -> None:
    """Nobody else reads or writes subscribers, subscriptions and rows of imports until the migration ends. Raises OperationalError when
    they were not free at once for ten minutes."""
    op.execute(_LOCK.format(tables="subscribers, subscriptions, imported_rows"))
