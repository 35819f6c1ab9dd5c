"""All that the database holds, to be compared: whatever changed anything, anywhere, shows."""

from collections.abc import Callable
from typing import Any

Sql = Callable[..., list[Any]]

_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1
"""


def dump(sql: Sql) -> dict[str, list[str]]:
    """Table → its rows as text, in order."""
    return {name: [row[0] for row in sql(f"SELECT t::text FROM {name} t ORDER BY 1")] for (name,) in sql(_TABLES)}
