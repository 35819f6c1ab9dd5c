"""What preflight is told of the readers: for whom a value is missing, and the longest values; counted by the database."""

from collections.abc import Iterable, Mapping
from typing import Any

from service.db import Transaction
from service.domain.personalisation import READER_FIELDS, SYSTEM_FIELDS, TODAY, Tag
from service.rendering.preflight.facts import Facts, Missing

SAMPLE = 3

# Whom a send would reach as far as consent goes; in one pass however many fields there are. The longest value is the greatest
# one with its length before it: an aggregate, where sorting a million values would take memory.
_AUDIENCE = """
    FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
    WHERE n.newsletter_id = :newsletter AND n.state = 'active'
      AND NOT EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.lifted_at IS NULL) {only}
"""
_ONLY = "AND EXISTS (SELECT FROM imported_rows r WHERE r.import_id = :import AND r.subscriber_id = n.subscriber_id)"
_LONGEST = """max(lpad(octet_length({value})::text, 9, '0') || {value} COLLATE "C")"""
_LACKING = "count(*) FILTER (WHERE {lacks})"


def of_readers(tx: Transaction, newsletter_id: int, tags: Iterable[Tag], *, audience: Mapping[str, Any]) -> Facts:
    """The facts that the readers make. `audience` as in the issue."""
    given = list(tags)
    fields = list(dict.fromkeys(tag.field for tag in given if tag.field not in (*SYSTEM_FIELDS, TODAY)))
    if not fields:
        return Facts()
    parameters: dict[str, Any] = {"newsletter": newsletter_id, **{f"field_{i}": name for i, name in enumerate(fields)}}
    only = ""
    if (imported := audience.get("import")) is not None:
        only, parameters["import"] = _ONLY, imported
    columns = [_LACKING.format(lacks=_lacks(i, name)) for i, name in enumerate(fields)]
    columns += [_LONGEST.format(value=_value(i, name)) for i, name in enumerate(fields)]
    people = _AUDIENCE.format(only=only)
    statement = f"SELECT count(*), {', '.join(columns)} {people}"
    everybody, *found = tx.execute(statement, _used(statement, parameters)).one()
    lacking = dict(zip(fields, found[: len(fields)], strict=True))
    longest = {name: one[9:] for name, one in zip(fields, found[len(fields) :], strict=True) if one}
    without_default = {tag.field for tag in given if tag.default is None}
    missing = []
    for i, name in enumerate(fields):
        if name in without_default and lacking[name]:
            sample = f"SELECT s.address {people} AND {_lacks(i, name)} ORDER BY n.id LIMIT {SAMPLE}"
            addresses = tx.execute(sample, _used(sample, parameters)).scalars()
            missing.append(Missing(name, lacking[name], everybody, tuple(addresses)))
    return Facts(missing=tuple(missing), longest=longest)


def _value(index: int, field: str) -> str:
    return f"s.{field}" if field in READER_FIELDS else f"(s.attributes ->> :field_{index})"


def _lacks(index: int, field: str) -> str:
    return f"btrim(coalesce({_value(index, field)}, '')) = ''"


def _used(statement: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if f":{name}" in statement}
