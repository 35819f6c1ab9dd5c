"""Brings a database to the newest migration, or back; one process at a time."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from service.models import Base

_LOCK = 0x42524F41  # any number that nobody else takes: "BROA"


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Apply what is missing; a second process waits for the first."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take migrations back, down to `revision` (`base`: all of them)."""
    with engine.begin() as connection:
        command.downgrade(_config(connection), revision)


def is_current(engine: Engine) -> bool:
    """Whether the database has exactly the migrations that this code expects."""
    with engine.connect() as connection:
        wanted = ScriptDirectory.from_config(_config(connection)).get_current_head()
        return MigrationContext.configure(connection).get_current_revision() == wanted


def differences(engine: Engine) -> list[object]:
    """What the models say and the migrations do not make."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _ours})
        return list(compare_metadata(context, Base.metadata))


def _ours(item: object, name: str | None, _kind: str, reflected: bool, _compare_to: object) -> bool:
    table = getattr(getattr(item, "table", None), "name", None) or name or ""
    return not (reflected and table.startswith(("events_", "payloads_", "alembic_", "moves")))
