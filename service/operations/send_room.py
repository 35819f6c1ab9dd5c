"""What somebody must see before an issue is sent, and while it is: the checklist, who will get it and who is left out and why, and
how far it is. Counts what is about to be sent exactly, by the statement that the freeze uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from service.db import transaction
from service.domain.permissions import Permission
from service.errors import Conflict, Invalid
from service.operations import approving, editing, editing_history, looking, reporting, scheduling, segments
from service.operations.permitting import require
from service.operations.preflighting import Report
from service.operations.preparing_candidates import Candidates, same_content_of

_MINUTE = """
    SELECT coalesce(sum(readers) FILTER (WHERE recorded_at > clock_timestamp() - interval '60 seconds'), 0) AS readers,
        count(*) FILTER (WHERE recorded_at > clock_timestamp() - interval '60 seconds') AS requests,
        extract(epoch FROM clock_timestamp() - min(recorded_at) FILTER (WHERE recorded_at > clock_timestamp() - interval '60 seconds')) AS since
    FROM attempts WHERE issue_id = :issue AND state = 'accepted'
"""


@dataclass(frozen=True)
class Expected:
    """`readers` get the issue as things are now; `left_out`: why → how many of its audience do not. `outside`: active readers of
    the newsletter who are not meant at all."""

    readers: int
    left_out: dict[str, int]
    outside: int


@dataclass(frozen=True)
class Row:
    """A line of the checklist. `fix` names the tab where it is mended."""

    name: str
    is_good: bool
    text: str
    fix: str = ""


def expected(issue_id: int, *, actor: str) -> Expected:
    """Who would get the issue if it were sent now. Changes nothing. Raises NotFound, Forbidden."""
    issue = editing.find(issue_id, actor=actor)
    if issue["problems"]:
        return Expected(0, {}, 0)
    with transaction() as tx:
        same_content = same_content_of(tx, issue)
        candidates = Candidates(tx, issue)
        candidates.freeze(tx, same_content)
        rows = tx.execute("SELECT excluded, count(*) AS n FROM candidates GROUP BY 1 ORDER BY 2 DESC").all()
        active = tx.execute(
            "SELECT count(*) FROM subscriptions WHERE newsletter_id = :id AND state = 'active'",
            id=issue["newsletter_id"],
        ).scalar_one()
        tx.execute("DROP TABLE candidates")
    left_out = {row.excluded: row.n for row in rows if row.excluded}
    readers = sum(row.n for row in rows if not row.excluded)
    return Expected(readers, left_out, active - readers - sum(left_out.values()))


def checklist(issue_id: int, who: Expected, *, actor: str) -> list[Row]:
    """Each thing that must be right, and whether it is. Raises NotFound, Forbidden."""
    issue = editing.find(issue_id, actor=actor)
    with transaction() as tx:
        newsletter = tx.execute("SELECT * FROM newsletters WHERE id = :id", id=issue["newsletter_id"]).mappings().one()
        approved = approving.holds(tx, issue)
        variants = tx.execute(
            "SELECT subject, preheader FROM variants WHERE issue_id = :id ORDER BY position", id=issue_id
        ).all()
    rows = _of_the_mail(issue, [one.preheader for one in variants], looking.check(issue_id, actor=actor))
    rows.insert(0, _to(who, newsletter["name"]))
    if newsletter["needs_approval"]:
        rows.append(
            Row(
                "Approval",
                approved,
                "approved as it is now" if approved else "a second person has not approved it as it is now",
                "approval",
            )
        )
    if newsletter["maximum_audience"] and who.readers > newsletter["maximum_audience"]:
        rows.append(
            Row(
                "Largest audience",
                False,
                f"the newsletter's is {newsletter['maximum_audience']:,}; the issue would be held",
                "newsletter",
            )
        )
    if halted := _halted():
        rows.append(Row("Sending", False, halted, "settings"))
    return rows


def _to(who: Expected, name: str) -> Row:
    return Row(
        "To",
        who.readers > 0,
        f"{who.readers:,} readers of {name}" if who.readers else "nobody would get it",
        "audience",
    )


def _of_the_mail(issue: Mapping[str, Any], preheaders: list[str], report: Report) -> list[Row]:
    blocking, warnings = len(report.blocking), report.count("warns")
    has_preheaders = all(one.strip() for one in preheaders)
    return [
        Row("From", True, f"{issue['sender_name']} <{issue['sender_address']}>"),
        Row("Answers to", True, issue["reply_to"] or issue["sender_address"]),
        Row(
            "Subject",
            bool(issue["subject"].strip()) and issue["subject"] != "Untitled issue",
            issue["subject"] or "none",
            "write",
        ),
        Row(
            "Preview text", has_preheaders, "there" if has_preheaders else "none: inboxes show the first words", "write"
        ),
        Row(
            "Content",
            not issue["problems"] and not blocking,
            _content(len(issue["problems"]), blocking, warnings),
            "write",
        ),
        Row(
            "Tracking",
            True,
            {"agreed": "of readers who agreed to it", "not-objected": "of all who did not object", "none": "none"}[
                issue["tracking_policy"]
            ],
        ),
    ]


def _content(problems: int, blocking: int, warnings: int) -> str:
    if problems:
        return f"{problems} {'problem keeps' if problems == 1 else 'problems keep'} it from being rendered"
    if blocking:
        return f"preflight found {blocking} {'thing that stops' if blocking == 1 else 'things that stop'} it"
    return (
        f"rendered; preflight has {warnings} {'thing' if warnings == 1 else 'things'} to mend"
        if warnings
        else "rendered; preflight found nothing grave"
    )


def _halted() -> str | None:
    with transaction() as tx:
        return reporting.halted(tx)


def send(
    issue_id: int,
    *,
    seen: str,
    expected_readers: int,
    typed: str,
    at: str,
    override: str,
    actor: str,
    by_reader: bool = False,
) -> datetime:
    """Send the issue as it was shown: after the newsletter's time to take it back, or `at` a minute (YYYY-MM-DDTHH:MM, in the
    newsletter's zone, or with `by_reader` by each reader's own clock). Returns when it begins. Raises Invalid with every problem, Conflict, Blocked, NotFound, Forbidden."""
    issue = editing.find(issue_id, actor=actor, permission=Permission.SEND)
    with transaction() as tx:
        newsletter = tx.execute("SELECT * FROM newsletters WHERE id = :id", id=issue["newsletter_id"]).mappings().one()
    local = _minute(at) if by_reader else None
    moment = moment_of(at, newsletter["time_zone"]) if at and not by_reader else None
    now = expected(issue_id, actor=actor).readers
    if now != expected_readers and issue["state"] in editing.EDITABLE:
        raise Conflict(
            f"It would go to {now:,} readers now, not to {expected_readers:,} as you were shown. Look again before you send it."
        )
    if now > newsletter["typed_above"] and typed.replace(",", "").strip() != str(now):
        raise Invalid(f"Type how many readers get it, {now:,}, to send it.")
    scheduling.schedule(
        issue_id,
        actor=actor,
        override=override.strip() or None,
        wait=timedelta(seconds=newsletter["undo_seconds"]),
        at=moment,
        local=local,
        seen=seen,
    )
    when: datetime = editing.find(issue_id, actor=actor)["scheduled_at"]
    return when


def schedule_at(issue_id: int, at: str, *, by_reader: bool, actor: str) -> datetime:
    """Send it at that minute of the newsletter's zone, or of each reader's own clock. Returns when it begins. Raises Invalid,
    Conflict, Blocked, NotFound, Forbidden."""
    issue = editing.find(issue_id, actor=actor, permission=Permission.SEND)
    with transaction() as tx:
        zone: str = tx.execute(
            "SELECT time_zone FROM newsletters WHERE id = :id", id=issue["newsletter_id"]
        ).scalar_one()
    local = _minute(at) if by_reader else None
    scheduling.schedule(issue_id, actor=actor, local=local, at=None if by_reader else moment_of(at, zone))
    when: datetime = editing.find(issue_id, actor=actor)["scheduled_at"]
    return when


def moment_of(text: str, zone: str) -> datetime:
    """A typed minute in that zone. Raises Invalid for what is none, has passed, or is left out when the clocks go forward; of two
    when they go back, the first is meant."""
    typed = _minute(text)
    moment = typed.replace(tzinfo=ZoneInfo(zone))
    if moment.astimezone(ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != typed:
        raise Invalid(
            f"On that day the clocks in {zone} go forward, and there is no {typed:%H:%M}. Choose another minute."
        )
    with transaction() as tx:
        passed = tx.execute("SELECT CAST(:at AS timestamptz) <= clock_timestamp()", at=moment).scalar_one()
    if passed:
        raise Invalid("That moment has passed. Choose a later one, or send it now.")
    return moment


def _minute(text: str) -> datetime:
    """A typed minute, as a clock on a wall shows it. Raises Invalid."""
    try:
        typed = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("Write the day and the minute, such as 2030-05-31 09:00.") from None
    if typed.tzinfo is not None:
        raise Invalid("Write the time without a zone; which one is meant stands beside it.")
    return typed


def progress(issue_id: int, *, actor: str) -> dict[str, Any]:
    """How far an issue is, from its batches: counts, rates of the last minute, and the time left if they last. Raises NotFound,
    Forbidden."""
    newsletter_id = editing.find(issue_id, actor=actor)["newsletter_id"]
    found = reporting.show(issue_id)
    with transaction() as tx:
        minute = tx.execute(_MINUTE, issue=issue_id).one()
        issue = (
            tx.execute(
                "SELECT scheduled_at, local_at, sent_at, audience, excluded_at_freeze, candidates FROM issues WHERE id = :id",
                id=issue_id,
            )
            .mappings()
            .one()
        )
        left = tx.execute(
            "SELECT greatest(0, extract(epoch FROM scheduled_at - clock_timestamp()))::int FROM issues WHERE id = :id",
            id=issue_id,
        ).scalar_one()
    ledger = found["ledger"]
    span = max(1.0, float(minute.since or 60))
    rate = float(minute.readers) / span
    done = ledger["candidates"] - ledger["pending"] - ledger["unknown"]
    return {
        **found,
        "when": {**issue, "audience": segments.shown(issue["audience"], newsletter_id, actor=actor)},
        "seconds_to_start": left,
        "done": done,
        "excluded_total": sum(ledger["excluded"].values()),
        "failed_total": sum(ledger["failed"].values()),
        "per_second": rate,
        "requests_a_minute": int(minute.requests),
        "seconds_left": int(ledger["pending"] / rate) if rate and ledger["pending"] else None,
        "undo_is_possible": found["issue"]["state"] == "scheduled",
    }


def follow_up(issue_id: int, kind: str, *, link: str = "", actor: str) -> int:
    """A draft for those who missed an issue (`missed`: everybody but who got it), or a correction for
    exactly those who got it (`got`), or who followed one of its links (`clicked`). Its id. Raises Invalid, NotFound, Forbidden."""
    issue = editing.find(issue_id, actor=actor, permission=Permission.WRITE)
    require(actor, Permission.SEND, issue["newsletter_id"])
    if kind not in ("missed", "got", "clicked") or (kind == "clicked" and not link):
        raise Invalid("Choose whom the follow-up is for.")
    if issue["state"] not in ("sent", "cancelled"):
        raise Conflict("The issue is still on its way; wait until it is sent.")
    made = editing_history.duplicate(issue_id, actor=actor)
    audience = (
        {"without_issues": [issue_id]} if kind == "missed" else {"got": {"issue": issue_id, "link": link or None}}
    )
    editing.set_audience(made, audience, actor=actor)
    return made
