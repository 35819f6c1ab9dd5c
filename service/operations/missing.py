"""Says before an issue is sent which of its tags have no value for some readers, and who they are. Changes nothing."""

from collections.abc import Mapping
from typing import Any

from service.db import Transaction, transaction
from service.domain.personalisation import Tag
from service.errors import NotFound
from service.operations.preparing_candidates import Candidates, must_have
from service.rendering.preflight.facts import Missing

SAMPLE = 5
_NOT_SUPPRESSED = "AND NOT EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.lifted_at IS NULL)"


def missing_values(issue_id: int, *, sample: int = SAMPLE) -> list[Missing]:
    """Fields of tags without default that some readers lack, as they are now: they would get no copy. A reader counts only where
    their own variant asks. The audience: who is subscribed, meant and not suppressed. Raises NotFound."""
    with transaction() as tx:
        # Count and names must be of one moment.
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        issue = tx.execute("SELECT * FROM issues WHERE id = :id", id=issue_id).mappings().one_or_none()
        if issue is None:
            raise NotFound(f"There is no issue {issue_id}.")
        return _look(tx, dict(issue), sample)


def _look(tx: Transaction, issue: Mapping[str, Any], sample: int) -> list[Missing]:
    candidates = Candidates(tx, issue)
    asked = _asked(candidates)
    if not asked:
        return []
    lacking = {field: _lacks(candidates, tags) for field, tags in asked.items()}
    _readers, _counts = candidates.readers, ", ".join(f"count(*) FILTER (WHERE {sql})" for sql in lacking.values())
    given = {**candidates.parameters, **candidates.fields.parameters}
    audience, *numbers = tx.execute(f"SELECT count(*), {_counts} FROM {_readers} {_NOT_SUPPRESSED}", given).one()
    return [
        Missing(field, number, audience, _first(tx, candidates, lacking[field], sample))
        for field, number in zip(lacking, numbers, strict=True)
        if number
    ]


def _asked(candidates: Candidates) -> dict[str, dict[Tag, list[int]]]:
    """Field → each of its tags that must have a value, with the variants that have it."""
    asked: dict[str, dict[str, tuple[Tag, list[int]]]] = {}
    for variant in candidates.variants:
        for tag in variant.tags:
            if must_have(tag):
                sql = candidates.fields.lacks(tag)
                _, variants = asked.setdefault(tag.field, {}).setdefault(sql, (tag, []))
                if variant.id not in variants:
                    variants.append(variant.id)
    return {field: dict(tags.values()) for field, tags in asked.items()}


def _lacks(candidates: Candidates, tags: Mapping[Tag, list[int]]) -> str:
    return " OR ".join(f"({candidates.among(ids)} AND {candidates.fields.lacks(tag)})" for tag, ids in tags.items())


def _first(tx: Transaction, candidates: Candidates, lacks: str, sample: int) -> tuple[str, ...]:
    _readers, _condition = candidates.readers, lacks
    rows = tx.execute(
        f"SELECT s.address FROM {_readers} {_NOT_SUPPRESSED} AND ({_condition}) ORDER BY s.id LIMIT :sample",
        {**candidates.parameters, **candidates.fields.parameters, "sample": sample},
    )
    return tuple(rows.scalars())
