"""A second person says yes to an issue: to these bytes, for this audience, from this sender. Whatever is changed afterwards ends
it, whether anybody remembered to say so or not. Refuses the yes of whoever wrote the text or asked for it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.errors import Conflict, Forbidden, Invalid, NotFound
from service.operations import editing
from service.operations.auditing import audit
from service.operations.permitting import require, within

_NOW = "SELECT * FROM issues WHERE id = :id FOR UPDATE"
_RECORD = """
    INSERT INTO approvals (issue_id, decision, actor, words, version, content_hash, audience_hash, sender_hash)
    SELECT id, :decision, :actor, :words, version, content_hash, audience_hash, :sender FROM issues WHERE id = :id
"""
# Who took part since the last yes, if only by a comma more, and whoever made the key by which it was done: a text that was
# written by one, touched by another and approved by the first was read by nobody else.
_TOOK_PART = """
    WITH last AS (
        SELECT coalesce(max(version), 0) AS version, coalesce(max(at), '-infinity') AS at FROM approvals
        WHERE issue_id = :id AND decision = 'approved'
    ), took_part AS (
        SELECT v.actor FROM issue_versions v, last WHERE v.issue_id = :id AND (v.number > last.version OR v.number = :number)
        UNION (SELECT actor FROM approvals WHERE issue_id = :id AND decision = 'asked' ORDER BY id DESC LIMIT 1)
        UNION SELECT e.actor FROM audit_entries e, last
        WHERE e.subject = :target AND e.action = 'choose the audience' AND e.at > last.at
    )
    SELECT EXISTS (SELECT FROM took_part t LEFT JOIN api_keys k ON t.actor = 'key ' || k.id
        WHERE :actor IN (t.actor, 'operator ' || k.created_by))
"""
_HOLDS = """
    SELECT EXISTS (
        SELECT FROM (SELECT * FROM approvals WHERE issue_id = :id ORDER BY id DESC LIMIT 1) a JOIN issues i ON i.id = a.issue_id
        WHERE a.decision = 'approved' AND a.content_hash = i.content_hash AND a.audience_hash = i.audience_hash AND a.sender_hash = :sender
          AND i.problems = '[]'
    )
"""


def ask(issue_id: int, words: str = "", *, actor: str) -> None:
    """Ask for an approval of the issue as it is now. Raises Conflict, NotFound, Forbidden."""
    with transaction() as tx:
        issue = _locked(tx, issue_id, actor, Permission.WRITE)
        if issue["state"] != "draft":
            raise Conflict(f"The issue is {issue['state']}; nothing is left to be approved.")
        if issue["problems"]:
            raise Conflict("The text has problems. Mend them before you ask somebody to read it.")
        _record(tx, issue, "asked", words, actor)


def approve(issue_id: int, *, seen: str, words: str = "", actor: str) -> None:
    """Say yes to the issue of which one saw the content hash `seen` (hex). Raises Conflict when it was changed meanwhile, or by
    whom it must not be approved; NotFound, Forbidden."""
    with transaction() as tx:
        issue = _locked(tx, issue_id, actor, Permission.APPROVE)
        _check(tx, issue, seen, actor)
        _record(tx, issue, "approved", words, actor)
        tx.execute("UPDATE issues SET state = 'approved', state_reason = NULL WHERE id = :id", id=issue_id)


def refuse(issue_id: int, words: str, *, actor: str) -> None:
    """Say no, and why. Raises Invalid without a reason, Conflict, NotFound, Forbidden."""
    with transaction() as tx:
        issue = _locked(tx, issue_id, actor, Permission.APPROVE)
        if not words.strip():
            raise Invalid("Say what is to be changed: whoever wrote it reads your reason.")
        if issue["state"] not in ("draft", "approved"):
            raise Conflict(f"The issue is {issue['state']}; it is too late to refuse it. Pause or cancel it instead.")
        _record(tx, issue, "refused", words, actor)
        tx.execute(
            "UPDATE issues SET state = 'draft', state_reason = 'refused: ' || CAST(:why AS text) WHERE id = :id",
            id=issue_id,
            why=words.strip()[:300],
        )


def holds(tx: Transaction, issue: Mapping[str, Any]) -> bool:
    """Whether the last word on the issue is a yes to exactly what it is now."""
    return bool(tx.execute(_HOLDS, id=issue["id"], sender=_sender(issue)).scalar_one())


def history(issue_id: int, *, actor: str) -> list[dict[str, Any]]:
    """Who said what of the issue, the newest first; `is_of_now`: of what it is now. Raises NotFound, Forbidden."""
    issue = editing.find(issue_id, actor=actor)
    with transaction() as tx:
        rows = tx.execute(
            """SELECT a.decision, a.words, a.at, a.version, coalesce(o.name, a.actor) AS who,
                   a.content_hash = i.content_hash AND a.audience_hash = i.audience_hash AND a.sender_hash = :sender AS is_of_now
               FROM approvals a JOIN issues i ON i.id = a.issue_id LEFT JOIN operators o ON a.actor = 'operator ' || o.id
               WHERE a.issue_id = :id ORDER BY a.id DESC LIMIT 100""",
            id=issue_id,
            sender=_sender(issue),
        ).mappings()
        return [dict(row) for row in rows]


def last_approved(issue_id: int, *, actor: str) -> dict[str, str] | None:
    """Language → text that was approved last: of this issue, or else of the newsletter's issue before it. Raises NotFound,
    Forbidden."""
    issue = editing.find(issue_id, actor=actor)
    with transaction() as tx:
        found = (
            tx.execute(
                """SELECT v.source, v.versions FROM approvals a JOIN issues i ON i.id = a.issue_id
               JOIN issue_versions v ON v.issue_id = a.issue_id AND v.number = a.version
               WHERE a.decision = 'approved' AND i.newsletter_id = :newsletter AND a.issue_id <= :id
               ORDER BY a.issue_id = :id DESC, a.id DESC LIMIT 1""",
                newsletter=issue["newsletter_id"],
                id=issue_id,
            )
            .mappings()
            .one_or_none()
        )
    return None if found is None else editing.texts_of(dict(found))


def waiting_for(actor: str) -> list[dict[str, Any]]:
    """Issues whose approval was asked for, and which this actor may approve."""
    with transaction() as tx:
        rows = tx.execute(
            """SELECT i.id, i.subject, w.name AS newsletter_name, a.at, a.words, a.actor FROM issues i JOIN newsletters w ON w.id = i.newsletter_id
               CROSS JOIN LATERAL (SELECT * FROM approvals a WHERE a.issue_id = i.id ORDER BY a.id DESC LIMIT 1) a
               WHERE i.state = 'draft' AND i.archived_at IS NULL AND a.decision = 'asked' AND a.content_hash = i.content_hash AND a.actor <> :actor
                 AND (CAST(:only AS bigint[]) IS NULL OR i.newsletter_id = ANY(:only)) ORDER BY a.at LIMIT 50""",
            actor=actor,
            only=within(actor, Permission.APPROVE),
        ).mappings()
        return [dict(row) for row in rows]


def _check(tx: Transaction, issue: Mapping[str, Any], seen: str, actor: str) -> None:
    if actor.startswith("key "):
        raise Forbidden("A person approves, who has read it; a program cannot.")
    if issue["state"] != "draft":
        raise Conflict(f"The issue is {issue['state']}; there is nothing to approve.")
    if issue["problems"]:
        raise Conflict("The text has problems and cannot be sent as it is.")
    if bytes(issue["content_hash"]).hex() != seen:
        raise Conflict("The issue was changed while you read it. Look at it again.")
    own = tx.execute(
        _TOOK_PART, id=issue["id"], number=issue["version"], target=f"issue {issue['id']}", actor=actor
    ).scalar_one()
    if own:
        raise Conflict(
            "You wrote of this text, chose whom it is for, or asked for its approval, yourself or by a key of yours. "
            "Another person must read it."
        )


def _record(tx: Transaction, issue: Mapping[str, Any], decision: str, words: str, actor: str) -> None:
    tx.execute(
        _RECORD, id=issue["id"], decision=decision, actor=actor, words=words.strip()[:2000], sender=_sender(issue)
    )
    audit(
        tx,
        actor,
        {"asked": "ask for approval", "approved": "approve", "refused": "refuse"}[decision],
        f"issue {issue['id']}",
        words=words.strip()[:2000],
        content=bytes(issue["content_hash"]).hex(),
    )


def _locked(tx: Transaction, issue_id: int, actor: str, permission: Permission) -> Mapping[str, Any]:
    row = tx.execute(_NOW, id=issue_id).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no issue {issue_id}.")
    require(actor, permission, row["newsletter_id"])
    return dict(row)


def _sender(issue: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(
        json.dumps([issue["sender_name"], issue["sender_address"], issue["reply_to"]]).encode()
    ).digest()
