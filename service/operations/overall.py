"""Whether all is well, for a person at a terminal and for what watches: duties, processes, SendGrid's events, issues, and in words
whatever needs a person. Reads only."""

from collections.abc import Iterator
from typing import Any

from service.db import Transaction, transaction
from service.errors import BroadsheetError
from service.operations import duties, epochs, reporting, workers
from service.operations.epochs import Standing
from service.operations.readiness import OLDEST_PAYLOAD

_PAYLOADS = """
    SELECT count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'set-aside') AS set_aside,
        count(*) FILTER (WHERE state = 'pending' AND received_at < clock_timestamp() - CAST(:oldest AS interval)) AS stuck,
        coalesce(sum(strays), 0)::bigint AS strays, max(received_at) AS latest FROM payloads
"""
_ISSUES = """
    SELECT * FROM (
        SELECT i.id, i.state, i.state_reason, (SELECT count(*) FROM batches b WHERE b.issue_id = i.id AND b.state = 'unknown') AS unknown_batches,
            (SELECT count(*) FROM batches b WHERE b.issue_id = i.id AND b.state = 'unknown' AND b.review_at IS NOT NULL) AS batches_in_review
        FROM issues i WHERE i.state IN ('scheduled', 'preparing', 'sending', 'paused', 'held', 'cancelled')
    ) found WHERE state <> 'cancelled' OR unknown_batches > 0 ORDER BY id
"""
_ALARMS = "SELECT count(*) FROM alarms WHERE closed_at IS NULL AND acknowledged_at IS NULL"
BY_A_PERSON = "paused by a person"


def status() -> dict[str, Any]:
    """When each duty last succeeded, which processes run, what of SendGrid's payloads waits or was set aside, which issues are on their way or wait for a
    person, and under `wrong`, a sentence each, what somebody must look at: nothing where all is well."""
    with transaction() as tx:
        found = {
            "halted": reporting.halted(tx),
            "duties": duties.states(tx),
            "missed": workers.missed(tx),
            "running": [one["name"] for one in workers.listed(tx) if one["alive"]],
            "payloads": dict(tx.execute(_PAYLOADS, oldest=OLDEST_PAYLOAD).mappings().one()),
            "issues": [dict(row) for row in tx.execute(_ISSUES).mappings()],
            "alarms": tx.execute(_ALARMS).scalar_one(),
        }
        return found | {"wrong": [*_of_the_database(tx), *_wrong(found)]}


def _of_the_database(tx: Transaction) -> Iterator[str]:
    """That it was restored, or that this machine does not know it."""
    try:
        found = epochs.compare(tx)
    except BroadsheetError as error:
        yield str(error)
        return
    # One without a name was never used: it gets one at the next start. What is marked as restored, `halted` tells.
    if found.installation and found.standing not in (Standing.SAME, Standing.RESTORED):
        yield found.told


def _wrong(found: dict[str, Any]) -> Iterator[str]:
    if found["halted"]:
        yield f"{found['halted'][:1].upper()}{found['halted'][1:]}."
    yield from (duties.told(one) for one in found["duties"] if one["late"])
    yield from found["missed"].values()
    if stuck := found["payloads"]["stuck"]:
        yield f"{stuck:,} {'payload waits' if stuck == 1 else 'payloads wait'} for more than ten minutes. Look whether the process “tracking” runs."
    if aside := found["payloads"]["set_aside"]:
        yield f"{aside:,} {'payload was' if aside == 1 else 'payloads were'} set aside after five failures: `broadsheet replay` takes up what was set aside."
    for issue in found["issues"]:
        if issue["state"] == "held" or (issue["state"] == "paused" and issue["state_reason"] != BY_A_PERSON):
            yield f"Issue {issue['id']} is {issue['state']}: look at it, then `broadsheet issue resume {issue['id']}` or `broadsheet issue cancel {issue['id']}`."
        if issue["batches_in_review"]:
            several = "batch waits" if issue["batches_in_review"] == 1 else "batches wait"
            yield f"{issue['batches_in_review']:,} unknown {several} for a decision: `broadsheet issue show {issue['id']}`."
    if found["alarms"]:
        yield f"{found['alarms']:,} {'alarm is' if found['alarms'] == 1 else 'alarms are'} open: `broadsheet alarms list`."
