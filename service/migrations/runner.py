"""Brings a database to the newest migration, or back; one process at a time."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from service.models import Base

# What the service's role may do: everything with what changes, add to what is evidence, and no more. It owns nothing, so that
# neither a fault of ours nor a hole in the web can rewrite who agreed to what.
_RIGHTS = (
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    "REVOKE UPDATE, DELETE ON consent_records, consent_wordings, consent_digests, erasures, audit_entries FROM {role}",
    # What the database works out for a record, its place in the chain above all, is not the service's to say; nor are details
    # to be exchanged. The trigger, which is the owner's, writes both.
    "REVOKE INSERT ON consent_records FROM {role}",
    "GRANT INSERT (email_key, newsletter_id, purpose, action, at, method, wording_sha256, import_id, details) ON consent_records TO {role}",
    "REVOKE INSERT, UPDATE ON consent_details FROM {role}",
    "REVOKE INSERT, UPDATE, DELETE ON consent_tombstones, removed_consent_records, moves, alembic_version FROM {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    "GRANT EXECUTE ON FUNCTION make_event_partition(bigint), make_payload_partition(date), drop_payload_partition(date), analyse_deliveries() TO {role}",
    "GRANT EXECUTE ON FUNCTION record_first_acts(bigint, bigint, text, bytea, bytea, jsonb, bytea[], integer[], text[], integer[]) TO {role}",
    "GRANT EXECUTE ON FUNCTION record_acts(bigint, bigint, text, bytea[], text[], text[], bytea[], jsonb[]) TO {role}",
)
_LOCK = 0x42524F41  # any number that nobody else takes: "BROA"


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head", *, for_role: str | None = None) -> None:
    """Apply what is missing, and let the service's role do what it may; a second process waits for the first."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        command.upgrade(_config(connection), revision)
        if for_role is not None:
            role = connection.dialect.identifier_preparer.quote(for_role)
            for right in _RIGHTS:
                connection.exec_driver_sql(right.format(role=role))


def downgrade(engine: Engine, revision: str) -> None:
    """Take migrations back, down to `revision` (`base`: all of them)."""
    with engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def is_at_head(connection: Connection) -> bool:
    """Whether the database has exactly the migrations that this code expects."""
    wanted = ScriptDirectory.from_config(_config(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == wanted


def is_current(engine: Engine, *, for_role: str | None = None) -> bool:
    """Whether the database has exactly the migrations that this code expects, and the service's role its rights."""
    with engine.connect() as connection:
        if not is_at_head(connection):
            return False
        may_insert = text("SELECT has_column_privilege(:role, 'consent_records', 'email_key', 'INSERT')")
        return for_role is None or bool(connection.execute(may_insert, {"role": for_role}).scalar_one())


def knows(engine: Engine, revision: str) -> bool:
    """Whether this code has that migration: a database with another was made by a newer version."""
    with engine.connect() as connection:
        return any(
            one.revision == revision for one in ScriptDirectory.from_config(_config(connection)).walk_revisions()
        )


def lacking(engine: Engine) -> int | None:
    """How many of this code's migrations the database has not; None where it has one that this code does not know."""
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(_config(connection))
        known = [one.revision for one in scripts.walk_revisions()]
        present = MigrationContext.configure(connection).get_current_revision()
        if present is None:
            return len(known)
        return known.index(present) if present in known else None


def differences(engine: Engine) -> list[object]:
    """What the models say and the migrations do not make."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _ours})
        return list(compare_metadata(context, Base.metadata))


def _ours(item: object, name: str | None, _kind: str, reflected: bool, _compare_to: object) -> bool:
    table = getattr(getattr(item, "table", None), "name", None) or name or ""
    return not (reflected and table.startswith(("events_", "payloads_", "alembic_", "moves")))
