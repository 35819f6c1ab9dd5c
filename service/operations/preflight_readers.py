"""What preflight is told of the readers: for whom a value is missing, and the longest values; counted by the database."""

from collections.abc import Iterable, Mapping
from typing import Any

from service.db import Transaction
from service.domain.personalisation import READER_FIELDS, SYSTEM_FIELDS, TODAY, Tag
from service.rendering.preflight.facts import Facts, Missing

SAMPLE = 3

# Whom a send would reach as far as consent goes.
_AUDIENCE = """
    FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
    WHERE n.newsletter_id = :newsletter AND n.state = 'active'
      AND NOT EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.lifted_at IS NULL) {only}
"""
_ONLY = "AND EXISTS (SELECT FROM imported_rows r WHERE r.import_id = :import AND r.subscriber_id = n.subscriber_id)"
# The greatest one with its length before it: an aggregate, where sorting a million values would take memory.
_LONGEST = """max(lpad(octet_length({value})::text, 9, '0') || {value} COLLATE "C")"""
_LACKING = "count(*) FILTER (WHERE {lacks})"


def of_readers(tx: Transaction, newsletter_id: int, tags: Iterable[Tag]) -> Facts:
    """The facts that all readers make for a file; who gets which variant of it is not settled, so that each is asked for every
    tag. An issue's missing values are counted by `missing`, variant by variant."""
    given = list(tags)
    longest = longest_values(tx, newsletter_id, given, audience={})
    without_default = {tag.field for tag in given if tag.default is None}
    fields = [name for name in _fields(given) if name in without_default]
    if not fields:
        return Facts(longest=longest)
    parameters = _parameters(newsletter_id, fields)
    people = _AUDIENCE.format(only="")
    columns = ", ".join(_LACKING.format(lacks=_lacks(i, name)) for i, name in enumerate(fields))
    statement = f"SELECT count(*), {columns} {people}"
    everybody, *lacking = tx.execute(statement, _used(statement, parameters)).one()
    missing = []
    for i, (name, number) in enumerate(zip(fields, lacking, strict=True)):
        if number:
            sample = f"SELECT s.address {people} AND {_lacks(i, name)} ORDER BY n.id LIMIT {SAMPLE}"
            addresses = tx.execute(sample, _used(sample, parameters)).scalars()
            missing.append(Missing(name, number, everybody, tuple(addresses)))
    return Facts(missing=tuple(missing), longest=longest)


def longest_values(
    tx: Transaction, newsletter_id: int, tags: Iterable[Tag], *, audience: Mapping[str, Any]
) -> dict[str, str]:
    """The longest value of each field that any reader has. `audience` as in the issue."""
    fields = _fields(tags)
    if not fields:
        return {}
    parameters = _parameters(newsletter_id, fields)
    only = ""
    if (imported := audience.get("import")) is not None:
        only, parameters["import"] = _ONLY, imported
    columns = ", ".join(_LONGEST.format(value=_value(i, name)) for i, name in enumerate(fields))
    statement = f"SELECT {columns} {_AUDIENCE.format(only=only)}"
    found = tx.execute(statement, _used(statement, parameters)).one()
    return {name: one[9:] for name, one in zip(fields, found, strict=True) if one}


def _fields(tags: Iterable[Tag]) -> list[str]:
    return list(dict.fromkeys(tag.field for tag in tags if tag.field not in (*SYSTEM_FIELDS, TODAY)))


def _parameters(newsletter_id: int, fields: list[str]) -> dict[str, Any]:
    return {"newsletter": newsletter_id, **{f"field_{i}": name for i, name in enumerate(fields)}}


def _value(index: int, field: str) -> str:
    return f"s.{field}" if field in READER_FIELDS else f"(s.attributes ->> :field_{index})"


def _lacks(index: int, field: str) -> str:
    return f"btrim(coalesce({_value(index, field)}, '')) = ''"


def _used(statement: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if f":{name}" in statement}
