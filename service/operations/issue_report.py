"""What became of an issue: its ledger, what SendGrid told of it, which links were followed, who got which copy; and one copy built
again, byte by byte, from what was frozen. Refuses to call proven what can no longer be."""

import hashlib
from collections.abc import Iterator
from typing import Any

from service.clients import sendgrid
from service.db import transaction
from service.domain.permissions import Permission
from service.errors import NotFound
from service.operations import counting, editing, reporting
from service.operations.auditing import audit
from service.operations.permitting import require
from service.operations.requests import Content, Reader, build, content_of, substitutions
from service.operations.sending import READERS_OF_BATCH
from service.rendering.mime import Mail, raw
from service.settings import current

_REASONS = "SELECT reason, count(*) AS n FROM leave_reasons WHERE issue_id = :issue GROUP BY reason ORDER BY n DESC"
_READERS = """
    SELECT d.id, s.id AS subscriber_id, s.address, d.excluded, d.failed, b.state AS batch_state, d.delivered_at, d.bounced_at, d.dropped_at,
        d.opened_at, d.clicked_at, d.complained_at, d.unsubscribed_at
    FROM deliveries d LEFT JOIN subscribers s ON s.id = d.subscriber_id LEFT JOIN batches b ON b.id = d.batch_id
    WHERE d.issue_id = :issue AND d.id > :after AND (CAST(:prefix AS text) IS NULL OR s.normalised_address LIKE :prefix) ORDER BY d.id LIMIT :limit
"""
_COPY = """
    SELECT d.id, d.subscriber_id, d.subscription_id, d.values, d.excluded, d.failed, d.batch_id, b.cohort_id, b.state AS batch_state,
        s.address, s.first_name, s.last_name, i.newsletter_id, d.delivered_at, d.bounced_at, d.opened_at, d.clicked_at
    FROM deliveries d JOIN issues i ON i.id = d.issue_id LEFT JOIN batches b ON b.id = d.batch_id LEFT JOIN subscribers s ON s.id = d.subscriber_id
    WHERE d.id = :id AND d.issue_id = :issue
"""
_FORMER = """
    SELECT i.id, i.subject, i.sent_at, coalesce(sum(b.size - b.excluded - b.failed) FILTER (WHERE b.state = 'accepted'), 0)::bigint AS accepted,
        coalesce(sum(b.size - b.excluded - b.failed) FILTER (WHERE b.state = 'accepted' AND c.tracked), 0)::bigint AS tracked
    FROM (SELECT id, subject, sent_at FROM issues WHERE newsletter_id = :newsletter AND prepared_at IS NOT NULL AND id <= :issue ORDER BY id DESC LIMIT 10) i
    LEFT JOIN batches b ON b.issue_id = i.id LEFT JOIN cohorts c ON c.id = b.cohort_id
    GROUP BY i.id, i.subject, i.sent_at ORDER BY i.id DESC
"""
_SENT_BY = """
    SELECT id, recorded_at, provider_message_id, body_sha256 FROM attempts
    WHERE batch_id = :batch AND state = 'accepted' ORDER BY number DESC LIMIT 1
"""


def of_issue(issue_id: int, *, actor: str) -> dict[str, Any]:
    """The report. Counts only: nobody's address is in it. Raises NotFound, Forbidden."""
    editing.find(issue_id, actor=actor)
    found = reporting.show(issue_id)
    with transaction() as tx:
        counts = counting.of_issue(tx, issue_id)
        reasons = [dict(row) for row in tx.execute(_REASONS, issue=issue_id).mappings()]
    return {**found, **counts, "reasons": reasons}


def former(issue_id: int, *, actor: str) -> list[dict[str, Any]]:
    """This issue and the nine that the newsletter sent before it, the newest first: `id`, `subject`, `sent_at`, `accepted`,
    `tracked`, and the number of copies with each kind of event. Raises NotFound, Forbidden."""
    newsletter_id = editing.find(issue_id, actor=actor)["newsletter_id"]
    with transaction() as tx:
        rows = [dict(row) for row in tx.execute(_FORMER, newsletter=newsletter_id, issue=issue_id).mappings()]
        return [{**row, **counting.events(tx, row["id"])} for row in rows]


def readers(issue_id: int, *, actor: str, words: str = "", after: int = 0, limit: int = 50) -> list[dict[str, Any]]:
    """Who got it and who did not, by the beginning of their address, page by page: `after` is the last delivery seen. An erased
    reader has no address any more. Raises NotFound, Forbidden."""
    editing.find(issue_id, actor=actor, permission=Permission.SEE_READERS)
    prefix = words.strip().lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("\x00", "")
    with transaction() as tx:
        rows = tx.execute(
            _READERS, issue=issue_id, after=after, prefix=f"{prefix}%" if prefix else None, limit=limit
        ).mappings()
        return [dict(row) for row in rows]


def copy_of(issue_id: int, delivery_id: int, *, actor: str) -> dict[str, Any]:
    """One reader's copy as it was sent: the mail's bytes, their SHA-256, and the proof. `is_proven`: the whole request, built again
    from what was frozen, has the very hash that was written down before it was posted. Raises NotFound, Forbidden."""
    with transaction() as tx:
        row = tx.execute(_COPY, id=delivery_id, issue=issue_id).mappings().one_or_none()
        if row is None:
            raise NotFound("There is no such copy.")
        require(actor, Permission.SEE_READERS, row["newsletter_id"])
        about: dict[str, Any] = {**row, "mail": None, "sha256": None, "is_proven": False, "attempt": None}
        sent = tx.execute(_SENT_BY, batch=row["batch_id"]).mappings().one_or_none()
        if row["excluded"] or row["failed"] or sent is None or row["address"] is None:
            return about
        content = content_of(tx, row["cohort_id"])
        batch = [Reader(*one) for one in tx.execute(READERS_OF_BATCH, batch=row["batch_id"])]
    rebuilt = hashlib.sha256(sendgrid.encode(build(content, batch, sent["id"]))).digest()
    mail = _mail(content, dict(row))
    return about | {
        "mail": mail,
        "sha256": hashlib.sha256(mail).hexdigest(),
        "is_proven": sent["body_sha256"] is not None and bytes(sent["body_sha256"]) == rebuilt,
        "attempt": {
            "id": str(sent["id"]),
            "at": sent["recorded_at"],
            "message_id": sent["provider_message_id"],
            "body_sha256": bytes(sent["body_sha256"] or b"").hex(),
        },
    }


def _mail(content: Content, row: dict[str, Any]) -> bytes:
    """The reader's own copy, from what was frozen; but for the leave link, which is theirs alone: whoever looks at the copy must not
    be able to leave in their name. That all was sent so is proven by the request's hash."""
    leave_url = f"{current().public_url}/u/preview"
    values = substitutions(content, row["values"], leave_url)

    def filled(part: str) -> str:
        for marker, value in values.items():
            part = part.replace(marker, value)
        return part

    return raw(
        Mail(
            sender=(content.sender["name"], content.sender["email"]),
            reader=("", row["address"]),
            reply_to=content.reply_to,
            subject=filled(content.subject),
            text=filled(content.text),
            html=filled(content.html),
            leave_url=leave_url,
            list_id=content.list_id,
        )
    )


def everybody(issue_id: int, *, actor: str) -> Iterator[dict[str, Any]]:
    """All readers of an issue, to be taken away as a file, which is written down; read page by page. Raises NotFound, Forbidden."""
    issue = editing.find(issue_id, actor=actor)
    require(actor, Permission.EXPORT, issue["newsletter_id"])
    with transaction() as tx:
        audit(tx, actor, "export", f"issue {issue_id}")
    return _everybody(issue_id, actor)


def _everybody(issue_id: int, actor: str) -> Iterator[dict[str, Any]]:
    after = 0
    while rows := readers(issue_id, actor=actor, after=after, limit=1000):
        yield from rows
        after = rows[-1]["id"]
