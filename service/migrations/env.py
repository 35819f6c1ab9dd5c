"""Alembic's entry: runs on the connection it is given in `attributes["connection"]`."""

import re

from alembic import context
from sqlalchemy.schema import SchemaItem

from service.models import Base

_NOT_MODELLED = re.compile(r"^((events|payloads)_\w+|moves)$")


def include_object(
    item: SchemaItem, name: str | None, kind: str, reflected: bool, _compare_to: SchemaItem | None
) -> bool:
    """Partitions come and go with issues and days; `moves` is read by a trigger only."""
    table = getattr(getattr(item, "table", None), "name", None) or name or ""
    return not (reflected and _NOT_MODELLED.match(table))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_object=include_object,
    compare_type=True,
    compare_server_default=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
