"""Segments: saved, counted, looked into, and put into issues. An issue keeps the segment as it was when it was chosen; a change
reaches the issues that are still being written, and ends their approval."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError, IntegrityError

from service.db import Transaction, transaction
from service.domain import segments
from service.domain.permissions import Permission
from service.domain.segments import Blocks
from service.errors import Conflict, Invalid, NotFound
from service.operations import authoring, newsletters, tagging
from service.operations.auditing import audit
from service.operations.permitting import require, require_somewhere, within
from service.operations.reader_details import HIDDEN
from service.operations.segment_sql import Compiled

SECONDS = 10
SAMPLE = 20
LONGEST_NAME = 100
KEYS = ("segments", "without_segments")
"""Of an issue's audience: whom it is for, and who gets none of it."""

_FROM = """FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
    WHERE n.newsletter_id = :newsletter AND n.state = 'active' AND {in_it}"""
_COUNT = f"SELECT count(*) {_FROM}"
_NAME = f"CASE WHEN {HIDDEN} THEN '' ELSE btrim(s.first_name || ' ' || s.last_name) END AS name"
_SAMPLE = f"SELECT s.id, s.address, {_NAME} {_FROM} ORDER BY n.id DESC LIMIT {SAMPLE}"
_LISTED = """
    SELECT g.id, g.name, g.newsletter_id, w.name AS newsletter_name, g.blocks, g.changed_at
    FROM segments g JOIN newsletters w ON w.id = g.newsletter_id
    WHERE g.archived_at IS NULL AND (CAST(:only AS bigint[]) IS NULL OR g.newsletter_id = ANY(:only))
        AND (CAST(:newsletter AS bigint) IS NULL OR g.newsletter_id = :newsletter) ORDER BY lower(w.name), lower(g.name)
"""
_USING = """
    SELECT i.id, i.subject, i.state, i.audience, i.tracking_policy FROM issues i
    WHERE i.newsletter_id = :newsletter AND i.state IN ('draft', 'approved')
      AND (i.audience -> 'segments' @> CAST(:named AS jsonb) OR i.audience -> 'without_segments' @> CAST(:named AS jsonb))
    ORDER BY i.id FOR UPDATE
"""


@dataclass(frozen=True)
class Counted:
    """`readers` of the newsletter's `active` ones are in the segment. `sample`: the newest of them: `id`, `address`, `name`."""

    readers: int
    active: int
    sample: tuple[dict[str, Any], ...]


def listed(*, actor: str, newsletter_id: int | None = None) -> list[dict[str, Any]]:
    """The segments that somebody may see, each with what it says in words. Raises Forbidden."""
    require_somewhere(actor, Permission.SEE_READERS)
    with transaction() as tx:
        rows = tx.execute(_LISTED, only=within(actor, Permission.SEE_READERS), newsletter=newsletter_id).mappings()
        found = [dict(row) for row in rows]
        names = names_in(tx, [segments.read(one["blocks"]) for one in found])
    return [one | {"words": segments.in_words(segments.read(one["blocks"]), names)} for one in found]


def find(segment_id: int, *, actor: str, permission: Permission = Permission.SEE_READERS) -> dict[str, Any]:
    """A segment: its row, `words`, and `issues` that it is chosen in and that are not sent yet. Raises NotFound, Forbidden."""
    with transaction() as tx:
        row = _found(tx, segment_id, actor, permission)
        issues = [{"id": one.id, "subject": one.subject} for one in _using(tx, row)]
        names = names_in(tx, [segments.read(row["blocks"])])
    return {**row, "issues": issues, "words": segments.in_words(segments.read(row["blocks"]), names)}


def save(
    newsletter_id: int, name: str, given: object, *, actor: str, segment_id: int | None = None
) -> tuple[int, list[int]]:
    """Make a segment, or change one: its id, and the issues that it is chosen in. Raises Invalid, Conflict, NotFound, Forbidden."""
    require(actor, Permission.WRITE, newsletter_id)
    blocks, wanted = _checked(name, given)
    try:
        with transaction() as tx:
            check_visible(tx, blocks, actor)
            if segment_id is None:
                segment_id = tx.execute(
                    "INSERT INTO segments (newsletter_id, name, blocks) VALUES (:newsletter, :name, CAST(:blocks AS jsonb)) RETURNING id",
                    newsletter=newsletter_id,
                    name=wanted,
                    blocks=json.dumps(segments.to_json(blocks)),
                ).scalar_one()
                audit(tx, actor, "create", f"segment {segment_id}")
                return segment_id, []
            row = _found(tx, segment_id, actor, Permission.WRITE)
            if row["newsletter_id"] != newsletter_id:
                raise NotFound("There is no such segment in this newsletter.")
            tx.execute(
                "UPDATE segments SET name = :name, blocks = CAST(:blocks AS jsonb), changed_at = clock_timestamp() WHERE id = :id",
                id=segment_id,
                name=wanted,
                blocks=json.dumps(segments.to_json(blocks)),
            )
            audit(tx, actor, "change", f"segment {segment_id}")
            return segment_id, _put_anew(tx, row, actor)
    except IntegrityError:
        raise Conflict(f"This newsletter has a segment “{wanted}” already. Give this one another name.") from None


def archive(segment_id: int, *, actor: str) -> None:
    """Let a segment be chosen no more. Raises NotFound, Forbidden, and Conflict while it is chosen in an issue that is not sent."""
    with transaction() as tx:
        row = _found(tx, segment_id, actor, Permission.WRITE)
        if using := _using(tx, row):
            raise Conflict(f"The issue “{using[0].subject}” is for this segment. Choose another audience there first.")
        tx.execute("UPDATE segments SET archived_at = clock_timestamp() WHERE id = :id", id=segment_id)
        audit(tx, actor, "archive", f"segment {segment_id}")


def restore(segment_id: int, *, actor: str) -> None:
    """Let it be chosen again. Raises NotFound, Forbidden, and Conflict where its name was given to another meanwhile."""
    try:
        with transaction() as tx:
            row = _found(tx, segment_id, actor, Permission.WRITE, archived=True)
            tx.execute("UPDATE segments SET archived_at = NULL WHERE id = :id", id=segment_id)
            audit(tx, actor, "restore", f"segment {segment_id}")
    except IntegrityError:
        raise Conflict(f"Another segment is called “{row['name']}” now. Rename that one first.") from None


def count(newsletter_id: int, given: object, *, actor: str) -> Counted:
    """How many active readers of the newsletter are in the segment that `given` says, and some of them.

    Raises Invalid, also where counting takes more than ten seconds; NotFound, Forbidden.
    """
    require(actor, Permission.SEE_READERS, newsletter_id)
    blocks = segments.read(given)
    try:
        with transaction() as tx:
            check_visible(tx, blocks, actor)
            tx.execute("SELECT set_config('statement_timeout', :limit, true)", limit=f"{SECONDS}s")
            compiled = Compiled(newsletter_id, newsletters.zone_of(tx, newsletter_id))
            in_it = compiled.sql(blocks)
            parameters = {"newsletter": newsletter_id, **compiled.parameters}
            readers = tx.execute(_COUNT.format(in_it=in_it), parameters).scalar_one()
            only = within(actor, Permission.SEE_READERS)
            sample = tx.execute(_SAMPLE.format(in_it=in_it), parameters, only=only).mappings()
            active = tx.execute(_COUNT.format(in_it="true"), newsletter=newsletter_id).scalar_one()
            return Counted(readers, active, tuple(dict(one) for one in sample))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", "") != "57014":
            raise
        raise Invalid(
            f"Counting took more than {SECONDS} seconds, and was given up. Save the segment: the audience page counts it without a limit."
        ) from None


def expand(tx: Transaction, audience: Mapping[str, Any], newsletter_id: int) -> dict[str, Any]:
    """The audience with each segment, named by its id or as it was, as it is now. Raises Invalid for one that is no more."""
    made = dict(audience)
    for key in KEYS:
        chosen = [one["id"] if isinstance(one, Mapping) else int(one) for one in audience.get(key, ())]
        made.pop(key, None)
        if chosen:
            made[key] = _as_now(tx, chosen, newsletter_id)
    return made


def condition(tx: Transaction, audience: Mapping[str, Any], newsletter_id: int) -> tuple[str, dict[str, Any]]:
    """What an issue's segments ask of a reader, as SQL over `s` and `n`, and its parameters; nothing where it has none."""
    parts: list[str] = []
    parameters: dict[str, Any] = {}
    for key in KEYS:
        if chosen := [segments.read(one["blocks"]) for one in audience.get(key, ())]:
            compiled = Compiled(newsletter_id, newsletters.zone_of(tx, newsletter_id), prefix=key)
            parts.append(f"AND {'' if key == 'segments' else 'NOT '}{compiled.any_of(chosen)}")
            parameters |= compiled.parameters
    return " ".join(parts), parameters


def shown(audience: Mapping[str, Any], newsletter_id: int, *, actor: str) -> dict[str, Any]:
    """An issue's audience as this actor may see it: what a segment asks is told to whoever sees who the readers are, its name to
    everybody who sees the issue."""
    only = within(actor, Permission.SEE_READERS)
    if only is None or newsletter_id in only:
        return dict(audience)
    named = {key: [{"id": one["id"], "name": one["name"]} for one in audience[key]] for key in KEYS if key in audience}
    return {**audience, **named}


def names_in(tx: Transaction, several: Sequence[Blocks]) -> dict[str, dict[int, str]]:
    """What the ids in these segments are called: tag, newsletter, issue, import → id → name."""
    asked = {kind: sorted({n for one in several for n in segments.ids(one, kind)}) for kind in _NAMES}
    return {
        kind: {row.id: row.name for row in tx.execute(sql, ids=asked[kind])} if asked[kind] else {}
        for kind, sql in _NAMES.items()
    }


_NAMES = {
    "tag": "SELECT id, name FROM tags WHERE id = ANY(:ids)",
    "newsletter": "SELECT id, name FROM newsletters WHERE id = ANY(:ids)",
    "issue": "SELECT id, subject AS name FROM issues WHERE id = ANY(:ids)",
    "import": "SELECT id, file_name AS name FROM imports WHERE id = ANY(:ids)",
}
_OWNERS = {
    "issue": "SELECT newsletter_id FROM issues WHERE id = ANY(:ids)",
    "import": "SELECT newsletter_id FROM imports WHERE id = ANY(:ids)",
}
_CHOICES = {
    "newsletter": "SELECT id, name FROM newsletters WHERE id <> :newsletter AND (CAST(:only AS bigint[]) IS NULL OR id = ANY(:only)) ORDER BY lower(name)",
    "issue": "SELECT id, subject AS name FROM issues WHERE newsletter_id = :newsletter AND prepared_at IS NOT NULL ORDER BY id DESC LIMIT 200",
    "import": "SELECT id, file_name AS name FROM imports WHERE newsletter_id = :newsletter ORDER BY id DESC LIMIT 200",
}


def choices(newsletter_id: int, *, actor: str) -> dict[str, dict[int, str]]:
    """What conditions can name: tag, newsletter, issue, import → id → name. Raises NotFound, Forbidden."""
    require(actor, Permission.SEE_READERS, newsletter_id)
    given = {"newsletter": newsletter_id, "only": within(actor, Permission.SEE_READERS)}
    with transaction() as tx:
        found = {
            kind: {
                row.id: row.name
                for row in tx.execute(sql, **{name: one for name, one in given.items() if f":{name}" in sql})
            }
            for kind, sql in _CHOICES.items()
        }
        return {"tag": tagging.names(tx), **found}


def _checked(name: str, given: object) -> tuple[Blocks, str]:
    wanted, problems = " ".join(name.split()), []
    if not wanted or len(wanted) > LONGEST_NAME or "\x00" in wanted:
        problems.append(f"Give the segment a name of at most {LONGEST_NAME} characters.")
    blocks: Blocks = ()
    try:
        blocks = segments.read(given)
    except Invalid as error:
        problems.extend(error.problems)
    if problems:
        raise Invalid(*problems)
    return blocks, wanted


def check_visible(tx: Transaction, blocks: Blocks, actor: str) -> None:
    """A count must not tell of newsletters that are none of the actor's business; nor what somebody did in them."""
    others = segments.ids(blocks, "newsletter")
    for kind, owners in _OWNERS.items():
        others.update(tx.execute(owners, ids=sorted(segments.ids(blocks, kind))).scalars())
    for newsletter in sorted(others):
        require(actor, Permission.SEE_READERS, newsletter)


def _as_now(tx: Transaction, chosen: list[int], newsletter_id: int) -> list[dict[str, Any]]:
    rows = tx.execute(
        "SELECT id, name, blocks FROM segments WHERE id = ANY(:ids) AND newsletter_id = :newsletter AND archived_at IS NULL ORDER BY id",
        ids=chosen,
        newsletter=newsletter_id,
    ).mappings()
    found = [dict(row) for row in rows]
    if len(found) < len(set(chosen)):
        raise Invalid("One of the segments is no more. Choose again.")
    return found


def _using(tx: Transaction, segment: Mapping[str, Any]) -> list[Any]:
    named = json.dumps([{"id": segment["id"]}])
    return list(tx.execute(_USING, newsletter=segment["newsletter_id"], named=named).all())


def _put_anew(tx: Transaction, segment: Mapping[str, Any], actor: str) -> list[int]:
    """Let the issues that are still being written be for the segment as it is now."""
    changed = []
    for issue in _using(tx, segment):
        audience = expand(tx, issue.audience, segment["newsletter_id"])
        if audience == issue.audience:
            continue
        authoring.put_audience(tx, issue.id, audience, issue.tracking_policy)
        audit(tx, actor, "choose the audience", f"issue {issue.id}", segment=segment["id"])
        changed.append(int(issue.id))
    return changed


def _found(
    tx: Transaction, segment_id: int, actor: str, permission: Permission, *, archived: bool = False
) -> dict[str, Any]:
    row = (
        tx.execute(
            """SELECT g.*, w.name AS newsletter_name FROM segments g JOIN newsletters w ON w.id = g.newsletter_id WHERE g.id = :id
                 AND (:archived OR g.archived_at IS NULL)""",
            id=segment_id,
            archived=archived,
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound("There is no such segment.")
    require(actor, permission, row["newsletter_id"])
    return dict(row)
