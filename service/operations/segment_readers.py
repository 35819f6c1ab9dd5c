"""What is done with everybody in a segment: tagged, or written into a file. Whoever is in it is found by the one compiler."""

from collections.abc import Iterator
from typing import Any

from service.db import transaction
from service.domain import segments as tree
from service.domain.permissions import Permission
from service.operations import newsletters, segments, tagging
from service.operations.auditing import audit
from service.operations.permitting import require, within
from service.operations.reader_details import HIDDEN
from service.operations.segment_sql import Compiled

_IN_IT = """FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
    WHERE n.newsletter_id = :newsletter AND n.state = 'active' AND {where}"""
_PAGE = """
    SELECT n.id AS subscription_id, s.address, s.first_name, s.last_name, s.language, s.attributes, n.created_at, {hidden} AS is_shared
    {in_it} AND n.id > :after ORDER BY n.id LIMIT :limit
"""
_TAG = """INSERT INTO subscriber_tags (tag_id, subscriber_id) SELECT CAST(:tag AS bigint), s.id {in_it} ON CONFLICT DO NOTHING"""
_DETAILS = (
    """SELECT k FROM (SELECT DISTINCT jsonb_object_keys(s.attributes) AS k {in_it} AND NOT {hidden}) d ORDER BY k"""
)
PAGE = 5000
COLUMNS = ("email", "first_name", "last_name", "language", "subscribed_at")


def tag(segment_id: int, name: str, *, actor: str) -> int:
    """Give everybody in it the tag; how many had it not. Raises Invalid, NotFound, Forbidden."""
    found = segments.find(segment_id, actor=actor, permission=Permission.CHANGE_READERS)
    with transaction() as tx:
        where, parameters = _compiled(tx, found, actor)
        tag_id = tagging.find_or_make(tx, name)
        number: int = tx.execute(
            _TAG.format(in_it=where),
            {**parameters, "tag": tag_id},
        ).rowcount
        audit(tx, actor, "tag", f"segment {segment_id}", tag=tag_id, readers=number)
    return number


def export(segment_id: int, *, actor: str) -> tuple[list[str], Iterator[list[object]]]:
    """Everybody in it as a table: its columns, the names of their other details among them, and its rows. Of readers whose details
    are not this actor's business, there is the address. Raises NotFound, Forbidden."""
    found = segments.find(segment_id, actor=actor)
    require(actor, Permission.EXPORT, found["newsletter_id"])
    with transaction() as tx:
        where, parameters = _compiled(tx, found, actor)
        parameters["only"] = within(actor, Permission.SEE_READERS)
        details = list(tx.execute(_DETAILS.format(in_it=where, hidden=HIDDEN), parameters).scalars())
        audit(tx, actor, "export", f"segment {segment_id}")
    return [*COLUMNS, *details], _rows(where, parameters, details)


def _rows(where: str, parameters: dict[str, Any], details: list[str]) -> Iterator[list[object]]:
    after = 0
    while True:
        with transaction() as tx:
            rows = tx.execute(
                _PAGE.format(in_it=where, hidden=HIDDEN), {**parameters, "after": after, "limit": PAGE}
            ).all()
        for row in rows:
            shown = ["", "", ""] if row.is_shared else [row.first_name, row.last_name, row.language]
            others = {} if row.is_shared else row.attributes
            yield [row.address, *shown, row.created_at.isoformat(), *(others.get(name, "") for name in details)]
        if len(rows) < PAGE:
            return
        after = rows[-1].subscription_id


def _compiled(tx: Any, segment: dict[str, Any], actor: str) -> tuple[str, dict[str, Any]]:
    newsletter_id, blocks = segment["newsletter_id"], tree.read(segment["blocks"])
    segments.check_visible(tx, blocks, actor)
    compiled = Compiled(newsletter_id, newsletters.zone_of(tx, newsletter_id))
    sql = _IN_IT.format(where=compiled.sql(blocks))
    return sql, {"newsletter": newsletter_id, **compiled.parameters}
