"""What SendGrid tells those who ask afterwards: the Email Activity of accepted mails, and its suppression lists. Answers by what was
accepted here and by nothing else; how it answers can be scripted."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Response, request

from service.sandbox import answers
from service.sandbox.behaviour import SUPPRESSION_REASONS, from_json
from service.sandbox.events import Event, Generator
from service.sandbox.parts import Parts

_CLAUSE = re.compile(r"""\(?\s*(?:unique_args\['([^']+)'\]|(to_email|subject|status|msg_id))\s*=\s*"([^"]*)"\s*\)?\Z""")
_NO_ADD_ON: answers.Error = {"message": "access forbidden", "field": None, "help": None}
_FINAL = {"delivered": "delivered", "bounce": "not_delivered", "dropped": "not_delivered"}
_SHOWN = {
    "bounces": ("created", "email", "reason", "status"),
    "blocks": ("created", "email", "reason", "status"),
    "invalid_emails": ("created", "email", "reason"),
    "spam_reports": ("created", "email"),
    "unsubscribes": ("created", "email"),
}
_SUPPRESSED = """
    SELECT created, address AS email, reason, status FROM suppression
    WHERE kind = ? AND created BETWEEN ? AND ? AND address LIKE ? || '%' ORDER BY created DESC, address LIMIT ? OFFSET ?
"""


def suppressions(parts: Parts, kind: str) -> Response:
    """GET /v3/suppression/<kind>: newest first, of a range of time and of addresses that begin so."""
    if kind not in (*SUPPRESSION_REASONS, "blocks"):
        return answers.refuse(404, [{"message": "resource not found", "field": None, "help": None}])
    if spoilt := _spoilt(parts):
        return spoilt
    limit, offset = request.args.get("limit", 500, type=int), request.args.get("offset", 0, type=int)
    if not 1 <= limit <= 500 or offset < 0:
        return answers.refuse(400, [answers.error("limit must be 1 to 500 and offset 0 or more", "limit")])
    start, end = request.args.get("start_time", 0, type=int), request.args.get("end_time", 1 << 40, type=int)
    beginning = request.args.get("email", "").lower().replace("%", "")
    with parts.database.reading() as connection:
        rows = connection.execute(_SUPPRESSED, (kind, start, end, beginning, limit, offset)).fetchall()
    found = [dict(zip(("created", "email", "reason", "status"), row, strict=True)) for row in rows]
    shown = [{key: one[key] for key in _SHOWN[kind]} for one in found]
    # SendGrid knows from where a complaint came.
    return answers.good([{**one, "ip": "203.0.113.7"} if kind == "spam_reports" else one for one in shown])


def messages(parts: Parts) -> Response:
    """GET /v3/messages: those that fit every clause of `query`, the newest first."""
    if not parts.script.lookups.activity:
        return answers.refuse(403, [_NO_ADD_ON])
    if not parts.script.may_look():
        reset = {"X-RateLimit-Limit": str(parts.script.lookups.a_minute), "X-RateLimit-Remaining": "0"}
        return answers.refuse(429, [answers.TOO_MANY], {**reset, "X-RateLimit-Reset": str(int(time.time()) + 60)})
    if spoilt := _spoilt(parts):
        return spoilt
    limit = request.args.get("limit", 10, type=int)
    clauses = [_CLAUSE.match(part.strip()) for part in request.args.get("query", "").split(" AND ") if part]
    if not 1 <= limit <= 1000 or not all(clauses):
        return answers.refuse(400, [answers.error("invalid query or limit", "query")])
    wanted = [found.groups() for found in clauses if found]
    found = []
    for message in _accepted(parts, [value for name, _, value in wanted if name]):
        args = message.pop("args")
        if all((args.get(name) if name else message[plain]) == value for name, plain, value in wanted):
            found.append(message)
        if len(found) == limit:
            break
    return answers.good({"messages": found})


def _spoilt(parts: Parts) -> Response | None:
    lookups = parts.script.lookups
    if lookups.latency_ms:
        time.sleep(lookups.latency_ms / 1000)
    if lookups.status != 200:
        text = {401: answers.BAD_KEY, 429: answers.TOO_MANY}.get(lookups.status, _NO_ADD_ON)
        return answers.refuse(lookups.status, [text])
    stranger = {"msg_id": "x", "to_email": "someone@elsewhere.invalid", "last_event_time": "2020-01-01T00:00:00Z"}
    return {
        "right": None,
        "html": Response(b"<html>maintenance</html>", content_type="text/html"),
        "list": answers.good([7, None, "no"]),
        "strangers": answers.good({"messages": [stranger] * 3}),
        "nothing-inside": answers.good({"messages": [None, {"msg_id": 7}, {"to_email": []}]}),
    }[lookups.shape]


def _accepted(parts: Parts, needles: list[str]) -> Iterator[dict[str, Any]]:
    """Each message as the activity shows it, and beside it its custom_args. Requests without the needles are not opened."""
    with parts.database.reading() as connection:
        rows = connection.execute("SELECT seq, id, due, behaviour FROM request ORDER BY seq DESC").fetchall()
    for seq, request_id, due, stored in rows:
        try:
            body = parts.store.body(seq)
        except KeyError:
            continue  # emptied meanwhile
        if not all(needle in str(body.get("custom_args")) + str(body["personalizations"]) for needle in needles):
            continue
        told = _told(parts, body, request_id, due, stored)
        for position, entry in enumerate(body["personalizations"]):
            for person in entry["to"]:
                yield _message(body, entry, person["email"], f"{request_id}.{position}", due, told)


def _told(parts: Parts, body: Any, request_id: str, due: float, stored: str | None) -> dict[str, list[Event]]:
    """The events of each address that have happened by now."""
    found: dict[str, list[Event]] = {}
    if stored is None:
        return found
    waves = Generator(body, request_id, due, from_json(stored), parts.outbox.suppressed(body)).run().waves
    for event in (one for wave in waves for one in wave if one["timestamp"] <= time.time()):
        found.setdefault(event["email"].lower(), []).append(event)
    return found


def _message(
    body: Any, entry: Any, email: str, message_id: str, due: float, told: dict[str, list[Event]]
) -> dict[str, Any]:
    events = told.get(email.lower(), [])
    kinds = [one["event"] for one in events]
    last = max((one["timestamp"] for one in events), default=int(due))
    return {
        "args": {**(body.get("custom_args") or {}), **(entry.get("custom_args") or {})},
        "from_email": body["from"]["email"],
        "msg_id": message_id,
        "subject": entry.get("subject", body.get("subject", "")),
        "to_email": email,
        "status": next((_FINAL[kind] for kind in kinds if kind in _FINAL), "processed"),
        "opens_count": kinds.count("open"),
        "clicks_count": kinds.count("click"),
        "last_event_time": datetime.fromtimestamp(last, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
