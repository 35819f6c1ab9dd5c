"""Tags: the team's own words for readers, the same in all newsletters. Refuses to tag a reader who is none of the actor's
business."""

from typing import Any

from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.errors import Conflict, Forbidden, Invalid, NotFound
from service.operations.auditing import audit
from service.operations.permitting import require_somewhere, within

LONGEST = 60
MOST = 500
"""Tags that an installation has."""

# Somebody reads and changes a reader who is in one of their newsletters.
_THEIRS = """SELECT s.id FROM subscribers s WHERE s.id = :id AND (CAST(:only AS bigint[]) IS NULL
    OR EXISTS (SELECT FROM subscriptions n WHERE n.subscriber_id = s.id AND n.newsletter_id = ANY(:only)))"""


def listed(*, actor: str) -> list[dict[str, Any]]:
    """All tags by name, with how many readers have each: `id`, `name`, `readers`. Raises Forbidden."""
    require_somewhere(actor, Permission.SEE_READERS)
    with transaction() as tx:
        rows = tx.execute(
            """SELECT g.id, g.name, (SELECT count(*) FROM subscriber_tags t WHERE t.tag_id = g.id) AS readers
               FROM tags g ORDER BY lower(g.name)"""
        ).mappings()
        return [dict(row) for row in rows]


def names(tx: Transaction) -> dict[int, str]:
    """Id → name of every tag, by name."""
    return {row.id: row.name for row in tx.execute("SELECT id, name FROM tags ORDER BY lower(name)")}


def of_reader(tx: Transaction, subscriber_id: int) -> dict[int, str]:
    """Id → name of a reader's tags."""
    rows = tx.execute(
        """SELECT g.id, g.name FROM subscriber_tags t JOIN tags g ON g.id = t.tag_id
           WHERE t.subscriber_id = :id ORDER BY lower(g.name)""",
        id=subscriber_id,
    )
    return {row.id: row.name for row in rows}


def add(subscriber_id: int, name: str, *, actor: str) -> int:
    """Give a reader a tag, which is made if there is none of this name; its id. Raises Invalid, NotFound, Forbidden."""
    with transaction() as tx:
        _check_theirs(tx, subscriber_id, actor)
        tag = find_or_make(tx, name)
        tx.execute(
            "INSERT INTO subscriber_tags (tag_id, subscriber_id) VALUES (:tag, :reader) ON CONFLICT DO NOTHING",
            tag=tag,
            reader=subscriber_id,
        )
        audit(tx, actor, "tag", f"reader {subscriber_id}", tag=tag)
    return tag


def remove(subscriber_id: int, tag_id: int, *, actor: str) -> str:
    """Take a tag from a reader; the tag's name. Raises NotFound, Forbidden."""
    with transaction() as tx:
        _check_theirs(tx, subscriber_id, actor)
        name = tx.execute("SELECT name FROM tags WHERE id = :id", id=tag_id).scalar_one_or_none()
        if name is None:
            raise NotFound("There is no such tag.")
        tx.execute(
            "DELETE FROM subscriber_tags WHERE tag_id = :tag AND subscriber_id = :reader",
            tag=tag_id,
            reader=subscriber_id,
        )
        audit(tx, actor, "untag", f"reader {subscriber_id}", tag=tag_id)
    return str(name)


def rename(tag_id: int, name: str, *, actor: str) -> None:
    """Call a tag otherwise, wherever it is used. Raises Invalid, NotFound, Forbidden, and Conflict for the name of another tag."""
    _check_everywhere(actor)
    wanted = _name(name)
    with transaction() as tx:
        taken = tx.execute("SELECT id FROM tags WHERE lower(name) = lower(:name) AND id <> :id", name=wanted, id=tag_id)
        if taken.first():
            raise Conflict(f"There is a tag “{wanted}” already. Choose another name.")
        if not tx.execute("UPDATE tags SET name = :name WHERE id = :id", name=wanted, id=tag_id).rowcount:
            raise NotFound("There is no such tag.")
        audit(tx, actor, "rename", f"tag {tag_id}")


def delete(tag_id: int, *, actor: str) -> int:
    """Take a tag from everybody, for good; from how many. Raises NotFound, Forbidden, and Conflict while a segment asks for it."""
    _check_everywhere(actor)
    with transaction() as tx:
        used = tx.execute(
            """SELECT g.name FROM segments g WHERE g.archived_at IS NULL AND EXISTS (
                   SELECT FROM jsonb_path_query(g.blocks, '$[*][*] ? (@.what == "tag")') c WHERE c ->> 'value' = CAST(:id AS text))""",
            id=str(tag_id),
        ).first()
        if used:
            raise Conflict(f"The segment “{used.name}” asks for this tag. Take it out there first.")
        readers = tx.execute("DELETE FROM subscriber_tags WHERE tag_id = :id", id=tag_id).rowcount
        if not tx.execute("DELETE FROM tags WHERE id = :id", id=tag_id).rowcount:
            raise NotFound("There is no such tag.")
        audit(tx, actor, "delete", f"tag {tag_id}", readers=readers)
    return readers


def find_or_make(tx: Transaction, name: str) -> int:
    """The id of the tag of that name. Raises Invalid."""
    wanted = _name(name)
    found = tx.execute("SELECT id FROM tags WHERE lower(name) = lower(:name)", name=wanted).scalar_one_or_none()
    if found is not None:
        return int(found)
    if tx.execute("SELECT count(*) FROM tags").scalar_one() >= MOST:
        raise Invalid(f"There are {MOST} tags already. Use one of them, or delete some.")
    made: int = tx.execute(
        "INSERT INTO tags (name) VALUES (:name) ON CONFLICT (lower(name)) DO UPDATE SET name = tags.name RETURNING id",
        name=wanted,
    ).scalar_one()
    return made


def _name(name: str) -> str:
    wanted = " ".join(name.split())
    if not wanted or len(wanted) > LONGEST or "," in wanted or any(ord(one) < 32 for one in wanted):
        raise Invalid(f"Give the tag a name of at most {LONGEST} characters, without a comma.")
    return wanted


def _check_theirs(tx: Transaction, subscriber_id: int, actor: str) -> None:
    require_somewhere(actor, Permission.CHANGE_READERS)
    only = within(actor, Permission.CHANGE_READERS)
    if tx.execute(_THEIRS, id=subscriber_id, only=only).first() is None:
        raise NotFound("There is no such reader, or not in a newsletter where you may change readers.")


def _check_everywhere(actor: str) -> None:
    """A tag is in all newsletters: whoever changes it must be allowed to change readers in all."""
    require_somewhere(actor, Permission.CHANGE_READERS)
    if within(actor, Permission.CHANGE_READERS) is not None:
        raise Forbidden("A tag is used in all newsletters. Ask somebody who may change readers in all of them.")
