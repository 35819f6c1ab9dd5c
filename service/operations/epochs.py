"""Keeps a restored database from sending by itself. The database is compared with what this machine has seen of it, at every claim;
one that is older is marked, its issues are held, and only a person lets it go on."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import structlog

from service import epoch
from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.epoch import Seen
from service.errors import BroadsheetError, Conflict, Invalid
from service.operations import alarms
from service.operations.auditing import audit
from service.operations.epochs_known import JUMP, NEWEST
from service.operations.permitting import require

log = structlog.get_logger(__name__)

HELD = "the database was restored from an earlier state: look whether this went out since, then resume or cancel it"
ALARM, SUBJECT = "restored", "database"
_ACCEPT, _JOIN = (f'`broadsheet epoch {decision} --reason "…"`' for decision in ("accept", "join"))
_UNDECIDED = f"This database was restored from an earlier state. Look at what waits, then run {_ACCEPT}, or decide on the settings page. Nothing was changed."

_STANDING = f"""
    SELECT epoch, mark, marked_at, restored_at, restored_because, {NEWEST} AS is_newest FROM installation
"""
# What this machine knows is named by a decision, and of before it. Whatever it saw since has a higher mark.
_SUPERSEDED = """
    SELECT EXISTS (SELECT FROM audit_entries a, installation i WHERE a.action = 'accept restored' AND a.subject = 'database'
        AND a.details->>'superseded' = :epoch AND a.details->'mark' > to_jsonb(CAST(:mark AS bigint)) AND a.details->'mark' <= to_jsonb(i.mark))
"""
_MARK = """
    UPDATE installation SET mark = mark + 1, marked_at = clock_timestamp()
    WHERE marked_at IS NULL OR marked_at < clock_timestamp() - interval '1 minute' RETURNING mark, marked_at
"""
_HOLD = """
    UPDATE issues SET state = 'held', state_reason = :why WHERE state IN ('scheduled', 'preparing', 'sending') RETURNING id
"""
# What waited in the database went out since, most likely. Its readers can ask again; whoever asks from now on is answered.
_SETTLE = (
    "UPDATE mails SET state = 'failed', reason = 'it waited in a database that was restored' WHERE state = 'pending'",
    "UPDATE team_mails SET state = 'failed', reason = 'it waited in a database that was restored' WHERE state = 'pending'",
    "UPDATE signups SET state = 'limited' WHERE state = 'pending'",
    "UPDATE link_requests SET answered_at = clock_timestamp() WHERE answered_at IS NULL",
    # Whoever was signed out or dismissed since would be in again.
    "UPDATE operator_sessions SET ended_at = clock_timestamp() WHERE ended_at IS NULL",
)


class Standing(StrEnum):
    """How the database stands to what this machine has seen."""

    SAME = "same"
    RESTORED = "restored"  # marked so, and nobody has decided yet
    OLDER = "older"
    ANOTHER = "another"  # this machine knows another installation
    NEW = "new"  # this machine has seen none yet


@dataclass(frozen=True)
class Epoch:
    """The comparison: what the database says of itself, and what the file does. `superseded`: by a decision that was made on another
    machine the file is out of date, and this machine goes along."""

    standing: Standing
    installation: str
    mark: int
    marked_at: datetime | None
    restored_because: str | None
    seen: Seen
    superseded: bool = False

    @property
    def told(self) -> str:
        """For a person: what it means, and what to do."""
        return f"{self.fault} {self.remedy}".strip()

    @property
    def fault(self) -> str:
        """What it means."""
        if self.superseded and self.standing is Standing.SAME:
            return "The database was accepted on another machine, and this one goes along by itself."
        if self.standing is Standing.SAME:
            return "The database is the newest that this machine has seen."
        if self.standing in (Standing.RESTORED, Standing.OLDER):
            return f"The database was restored: {self.restored_because or self.why}. Nothing of any issue is sent until somebody decides."
        begins = (
            "This machine has not seen this database before"
            if self.standing is Standing.NEW
            else "This machine knows another database"
        )
        return f"{begins}, and so cannot tell whether it was restored: nothing is sent from here."

    @property
    def remedy(self) -> str:
        """What to do; nothing where it is the same."""
        if self.standing is Standing.SAME:
            return ""
        if self.standing in (Standing.RESTORED, Standing.OLDER):
            return f"Look at what waits (`broadsheet epoch show`), then decide: {_ACCEPT}, or the settings page."
        return f"If the database has been in use all the time and only the machine is new, run {_JOIN}. If it comes from a backup, run {_ACCEPT}."

    @property
    def why(self) -> str:
        """How it was found to be older."""
        return f"it is as it was at {_moment(self.marked_at)}, and this machine has seen it as it was at {self.seen.marked_at or 'a later moment'}"


def compare(tx: Transaction) -> Epoch:
    """Compare, and change nothing. Raises BroadsheetError when the file cannot be understood."""
    known = epoch.seen()
    row = tx.execute(_STANDING, known.parameters()).one()
    superseded = not row.is_newest and _is_superseded(tx, known)
    if row.restored_at is not None:
        standing = Standing.RESTORED
    elif row.is_newest or superseded:
        standing = Standing.SAME
    elif known.installation == row.epoch:
        standing = Standing.OLDER
    else:
        standing = Standing.ANOTHER if known.installation else Standing.NEW
    return Epoch(standing, row.epoch or "", row.mark, row.marked_at, row.restored_because, known, superseded)


def _is_superseded(tx: Transaction, known: Seen) -> bool:
    return bool(tx.execute(_SUPERSEDED, epoch=known.installation, mark=known.mark).scalar_one())


def keep() -> Standing | None:
    """Compare; mark a database that is older; note that this one was seen, every minute, while it is the newest. None when the
    file cannot be understood. Whatever is wrong is an alarm."""
    try:
        with transaction() as tx:
            found = compare(tx)
            if found.standing is Standing.OLDER:
                mark_restored(tx, found.why)
            marked = tx.execute(_MARK).one_or_none() if found.standing is Standing.SAME else None
            _tell(tx, found)
    except BroadsheetError as error:
        with transaction() as tx:
            alarms.open_alarm(tx, ALARM, SUBJECT, str(error))
        return None
    if found.standing is Standing.SAME:
        newest = marked or found  # another machine may have been the one that marked this minute
        if found.superseded:
            epoch.follow(found.seen, newest.mark, _moment(newest.marked_at), found.installation)
        else:
            epoch.remember(found.installation, newest.mark, _moment(newest.marked_at))
    return found.standing


def _tell(tx: Transaction, found: Epoch) -> None:
    if found.standing is Standing.SAME:
        alarms.close(tx, ALARM, SUBJECT)
    else:
        alarms.open_alarm(tx, ALARM, SUBJECT, found.told)


def mark_restored(tx: Transaction, why: str) -> int:
    """Mark the database as restored, hold what would go out, and settle the mails that waited. Returns how many issues were held;
    nothing is done twice."""
    fresh = tx.execute(
        "UPDATE installation SET restored_at = clock_timestamp(), restored_because = :why WHERE restored_at IS NULL",
        why=why,
    ).rowcount
    if not fresh:
        return 0
    held = _hold(tx)
    audit(tx, "service", "find restored", "database", because=why, held=held)
    log.error("the database was restored", held=held)
    return held


def _hold(tx: Transaction) -> int:
    held = len(tx.execute(_HOLD, why=HELD).all())
    for statement in _SETTLE:
        tx.execute(statement)
    return held


def refuse_unless_same() -> None:
    """For processes that send, when they begin: one that has not seen this database does not begin. Raises BroadsheetError. A
    database that is older is marked, and the process begins: it can tell people, and does not send."""
    with transaction() as tx:
        found = compare(tx)
    if found.standing in (Standing.ANOTHER, Standing.NEW):
        raise BroadsheetError(found.told)
    keep()


def refuse_if_restored(tx: Transaction) -> None:
    """Nothing is scheduled or resumed before somebody has decided. Raises Conflict."""
    if tx.execute("SELECT restored_at FROM installation").scalar_one() is not None:
        raise Conflict(_UNDECIDED)


def accept(*, reason: str, actor: str) -> int:
    """A person's decision: go on with this database as it is. Every issue that would go out is held and has to be resumed by a
    person. Returns how many are held for it. Raises Invalid without a reason, Conflict when there is nothing to accept, Forbidden."""
    require(actor, Permission.ADMINISTER)
    _check_reason(reason)
    with transaction() as tx:
        tx.execute("SELECT FROM installation FOR UPDATE")
        found = _compare_anyhow(tx)
        if found.standing is Standing.SAME:
            raise Conflict(f"{found.fault} There is nothing to accept.")
        mark_restored(tx, found.why)
        held: int = tx.execute(
            "SELECT count(*) FROM issues WHERE state = 'held' AND state_reason = :why", why=HELD
        ).scalar_one()
        name = found.installation or uuid.uuid4().hex
        mark = max(found.mark, found.seen.mark) + JUMP
        at = tx.execute(
            """UPDATE installation SET epoch = :name, mark = :mark, marked_at = clock_timestamp(), restored_at = NULL, restored_because = NULL
               RETURNING marked_at""",
            name=name,
            mark=mark,
        ).scalar_one()
        alarms.close(tx, ALARM, SUBJECT)
        audit(tx, actor, "accept restored", "database", reason=reason.strip(), held=held, mark=mark, superseded=found.seen.installation or name)  # fmt: skip
    epoch.begin(name, mark, _moment(at))
    return held


def join(*, reason: str, actor: str) -> None:
    """A person's word that the database was in use all the time and only this machine is new to it. Raises Invalid without a
    reason, Conflict when the machine knows it, or it is older than what the machine has seen; Forbidden."""
    require(actor, Permission.ADMINISTER)
    _check_reason(reason)
    with transaction() as tx:
        found = compare(tx)
        if found.standing is Standing.SAME:
            raise Conflict(f"{found.fault} There is nothing to join.")
        if found.standing not in (Standing.ANOTHER, Standing.NEW):
            raise Conflict(f"It is not the machine that is new. {found.told}")
        audit(tx, actor, "join", "database", reason=reason.strip())
        alarms.close(tx, ALARM, SUBJECT)
    epoch.begin(found.installation, found.mark, _moment(found.marked_at))


def state() -> dict[str, Any]:
    """For `broadsheet epoch show`."""
    with transaction() as tx:
        found = compare(tx)
        waiting = tx.execute(
            "SELECT id, subject, scheduled_at FROM issues WHERE state = 'held' AND state_reason = :why ORDER BY id",
            why=HELD,
        ).mappings()
        issues = [dict(row) for row in waiting]
    return {
        "standing": found.standing.value,
        "told": found.told,
        "mark": found.mark,
        "marked_at": found.marked_at,
        "seen": {"mark": found.seen.mark, "marked_at": found.seen.marked_at or None},
        "held": issues,
    }


def _compare_anyhow(tx: Transaction) -> Epoch:
    """As compare, but a file that cannot be understood stands for none: whoever accepts has looked."""
    try:
        return compare(tx)
    except BroadsheetError:
        row = tx.execute("SELECT epoch, mark, marked_at, restored_because FROM installation").one()
        return Epoch(Standing.NEW, row.epoch or "", row.mark, row.marked_at, row.restored_because, epoch.NOTHING)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise Invalid("Say why: the reason is kept with the decision.")


def _moment(at: datetime | None) -> str:
    return "an unknown moment" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
