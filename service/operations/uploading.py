"""An import step by step: a file is sent, its columns are matched, consent is stated, what would become of every row is looked at,
and only then is it taken, in the background: wholly or not at all, and once. Refuses to take what nobody has looked at."""

import json
import os
import secrets
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import structlog

from service import queue
from service.db import Transaction, note, transaction
from service.domain.permissions import Permission
from service.errors import BroadsheetError, Conflict, Invalid, NotFound
from service.log import named
from service.operations.auditing import audit
from service.operations.importing import import_subscribers
from service.operations.importing_file import MAXIMUM_BYTES, Records, RowFault, opened
from service.operations.importing_rows import IGNORED, SYNONYMS, read_header
from service.operations.permitting import require, require_somewhere, within
from service.settings import current

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)
KEPT = timedelta(days=30)
SAMPLE_ROWS = 5
WAITING = ("reviewing", "running")
TYPED_ABOVE = 1000
"""Above so many rows, whoever starts the import types their number."""

_WORK = """
    UPDATE uploads SET lease_until = clock_timestamp() + CAST(:lease AS interval)
    WHERE id = :id AND state IN ('reviewing', 'running') AND (lease_until IS NULL OR lease_until < clock_timestamp()) RETURNING *
"""


def receive(newsletter_id: int, name: str, content: Any, *, actor: str) -> int:
    """Keep a file that somebody sends (`content` has `read(bytes)`); the upload's id. Raises Invalid, NotFound, Forbidden."""
    require(actor, Permission.IMPORT, newsletter_id)
    folder = current().home / "imports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{secrets.token_hex(16)}.csv"
    size = 0
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as kept:
        while chunk := content.read(1 << 20):
            size += len(chunk)
            if size > MAXIMUM_BYTES:
                path.unlink()
                raise Invalid(
                    f"The file has more than {MAXIMUM_BYTES // 1024 // 1024} MB. Split it into several files."
                )
            kept.write(chunk)
    if not size:
        path.unlink()
        raise Invalid("The file is empty, or none was chosen. Choose a CSV file, or paste its rows.")
    with transaction() as tx:
        made: int = tx.execute(
            "INSERT INTO uploads (newsletter_id, actor, file_name, path) VALUES (:newsletter, :actor, :name, :path) RETURNING id",
            newsletter=newsletter_id,
            actor=actor,
            name=name[-200:].replace("\x00", "") or "pasted rows",
            path=str(path),
        ).scalar_one()
        audit(tx, actor, "upload", f"upload {made}", newsletter=newsletter_id, bytes=size)
    return made


def find(upload_id: int, *, actor: str) -> dict[str, Any]:
    """An upload with its newsletter's name. Raises NotFound, Forbidden."""
    with transaction() as tx:
        return _found(tx, upload_id, actor)


def listed(actor: str, *, before: int | None = None, limit: int = 25) -> list[dict[str, Any]]:
    """The uploads of the newsletters in which somebody may import, the newest first. Raises Forbidden."""
    require_somewhere(actor, Permission.IMPORT)
    with transaction() as tx:
        rows = tx.execute(
            """SELECT u.*, w.name AS newsletter_name, coalesce(o.name, u.actor) AS who FROM uploads u JOIN newsletters w ON w.id = u.newsletter_id
               LEFT JOIN operators o ON u.actor = 'operator ' || o.id
               WHERE (CAST(:only AS bigint[]) IS NULL OR u.newsletter_id = ANY(:only)) AND (CAST(:before AS bigint) IS NULL OR u.id < :before)
               ORDER BY u.id DESC LIMIT :limit""",
            only=within(actor, Permission.IMPORT),
            before=before,
            limit=limit,
        ).mappings()
        return [dict(row) for row in rows]


def columns(upload_id: int, *, actor: str, encoding: str | None = None) -> list[dict[str, Any]]:
    """The file's columns: title, what we take it for, and its first values. Raises Invalid where nothing can be read."""
    upload = find(upload_id, actor=actor)
    try:
        with opened(Path(upload["path"]), encoding) as source:
            records = iter(Records(source.text))
            first = next(records, None)
            if first is None or isinstance(first, RowFault):
                raise Invalid("The first line, which must name the columns, cannot be read.")
            rows = [
                row[1]
                for row in (next(records, None) for _ in range(SAMPLE_ROWS))
                if row and not isinstance(row, RowFault)
            ]
    except Invalid as error:
        raise Invalid(*(problem.replace(upload["path"], upload["file_name"]) for problem in error.problems)) from None
    titles = first[1]
    if any("@" in title for title in titles):
        read_header(titles)  # which says that names are missing
    return [
        {
            "place": place,
            "title": title,
            "means": _meaning(titles, place),
            "values": [row[place] for row in rows if place < len(row)],
        }
        for place, title in enumerate(titles)
        if title.strip()
    ]


def _meaning(titles: list[str], place: int) -> str:
    """What a column alone is taken for: one of ours, the attribute of its name, or nothing."""
    alone = read_header(["email", titles[place]]) if _fits(["email", titles[place]]) else None
    if alone is None:
        return "email" if _fits([titles[place]]) else IGNORED
    return next((name for name, at in alone.known.items() if at == 1), alone.attributes.get(1, IGNORED))


def _fits(titles: list[str]) -> bool:
    try:
        read_header(titles)
    except Invalid:
        return False
    return True


def choose(upload_id: int, meanings: Mapping[int, str], choices: Mapping[str, Any], *, actor: str) -> None:
    """Say what the columns hold, and how the readers agreed; then look, in the background, what would become of every row.

    Raises Invalid with every problem, Conflict once it runs, NotFound, Forbidden.
    """
    find(upload_id, actor=actor)
    problems = []
    if list(meanings.values()).count("email") != 1:
        problems.append("Say of exactly one column that it holds the email address.")
    twice = {one for one in meanings.values() if one != IGNORED and list(meanings.values()).count(one) > 1} - {"email"}
    problems += [
        f"Two columns are said to hold {one.replace('_', ' ')}. Choose another for one of them."
        for one in sorted(twice)
    ]
    if not str(choices.get("consent", "")).strip():
        problems.append("Say how, where and when these readers agreed: it is kept as the proof of their consent.")
    if problems:
        raise Invalid(*problems)
    with transaction() as tx:
        upload = _found(tx, upload_id, actor, lock=True)
        if upload["state"] not in ("uploaded", "reviewed", "failed"):
            raise Conflict("This import runs or is done; begin another for other choices.")
        tx.execute(
            """UPDATE uploads SET columns = CAST(:columns AS jsonb), choices = CAST(:choices AS jsonb), state = 'reviewing',
                   report = '{}', error = NULL, rows_read = 0, lease_until = NULL WHERE id = :id""",
            id=upload_id,
            columns=json.dumps({str(place): name for place, name in meanings.items()}),
            choices=json.dumps(dict(choices), default=str),
        )
        audit(tx, actor, "match columns", f"upload {upload_id}")
        tx.enqueue(queue.LOOK_AT_UPLOAD, upload_id)


def start(upload_id: int, *, actor: str, typed: str = "") -> None:
    """Take the file as it was looked at. A second time changes nothing. Raises Invalid where the number of readers must be typed,
    Conflict, NotFound, Forbidden."""
    with transaction() as tx:
        upload = _found(tx, upload_id, actor, lock=True)
        if upload["state"] in ("running", "done"):
            return
        if upload["state"] != "reviewed":
            raise Conflict("Look first at what would become of the rows.")
        coming = upload["report"]["added"]
        if coming > TYPED_ABOVE and typed.replace(",", "").strip() != str(coming):
            raise Invalid(f"Type how many readers are added, {coming:,}, to start the import.")
        tx.execute(
            "UPDATE uploads SET state = 'running', rows_read = 0, lease_until = NULL WHERE id = :id", id=upload_id
        )
        audit(tx, actor, "start an import", f"upload {upload_id}")
        tx.enqueue(queue.LOOK_AT_UPLOAD, upload_id)


def drop(upload_id: int, *, actor: str) -> None:
    """Forget a file that was not taken. Raises Conflict, NotFound, Forbidden."""
    with transaction() as tx:
        upload = _found(tx, upload_id, actor, lock=True)
        if upload["state"] in ("running", "done", "undone"):
            raise Conflict("This import runs or is done; it cannot be dropped.")
        tx.execute("DELETE FROM uploads WHERE id = :id", id=upload_id)
        audit(tx, actor, "drop", f"upload {upload_id}")
    Path(upload["path"]).unlink(missing_ok=True)


@named("upload")
def work(upload_id: int) -> None:
    """Look at the file, or take it, whichever was asked for. A bell that rings twice finds nothing to do."""
    with transaction() as tx:
        row = tx.execute(_WORK, id=upload_id, lease=LEASE).mappings().one_or_none()
    if row is None:
        return
    upload = dict(row)
    only_look = upload["state"] == "reviewing"
    try:
        report = _import(upload, only_look=only_look)
    except BroadsheetError as error:
        _failed(upload, str(error).replace(upload["path"], upload["file_name"]))
        return
    except OSError as error:
        _failed(upload, f"The file cannot be read any more ({error.strerror}). Send it again.")
        return
    with transaction() as tx:
        tx.execute(
            """UPDATE uploads SET state = CAST(:state AS text), report = CAST(:report AS jsonb), lease_until = NULL, import_id = :import,
                   done_at = CASE WHEN CAST(:state AS text) = 'done' THEN clock_timestamp() END WHERE id = :id AND state = :was""",
            id=upload_id,
            was=upload["state"],
            state="reviewed" if only_look else "done",
            report=json.dumps(report),
            **{"import": None if only_look else report["import_id"]},
        )
        if not only_look:
            audit(
                tx,
                upload["actor"],
                "import",
                f"upload {upload_id}",
                **{name: report[name] for name in ("import_id", "added", "updated")},
            )

    if not only_look:
        Path(upload["path"]).unlink(missing_ok=True)


# How many there were is kept: whoever takes the import back is told what cannot be.
_FORGET_DETAILS = """
    WITH gone AS (
        DELETE FROM import_details d USING imports i
        WHERE i.id = d.import_id AND i.created_at < clock_timestamp() - CAST(:kept AS interval) RETURNING d.import_id
    )
    UPDATE imports i SET counts = i.counts || jsonb_build_object('details_forgotten', g.n)
    FROM (SELECT import_id, count(*) AS n FROM gone GROUP BY 1) g WHERE g.import_id = i.id
"""


def forget_old() -> None:
    """Delete files that were never taken; and of those that were, the words about single rows, which quote the file, and what
    readers were known by before."""
    with transaction() as tx:
        paths = list(
            tx.execute(
                """DELETE FROM uploads WHERE import_id IS NULL AND state NOT IN ('reviewing', 'running')
                     AND created_at < clock_timestamp() - CAST(:kept AS interval) RETURNING path""",
                kept=KEPT,
            ).scalars()
        )
        tx.execute(
            """UPDATE uploads SET report = report - 'faults' WHERE import_id IS NOT NULL
                 AND created_at < clock_timestamp() - CAST(:kept AS interval) AND jsonb_exists(report, 'faults')""",
            kept=KEPT,
        )
        tx.execute(_FORGET_DETAILS, kept=KEPT)
    for path in paths:
        Path(path).unlink(missing_ok=True)


def _import(upload: Mapping[str, Any], *, only_look: bool) -> dict[str, Any]:
    taken = _taken_already(upload)
    if taken is not None and not only_look:
        return taken
    choices = upload["choices"]
    until = choices.get("implied_until")
    return import_subscribers(
        Path(upload["path"]),
        newsletter_id=upload["newsletter_id"],
        consent=choices["consent"],
        tracking_consent=choices.get("tracking_consent") or None,
        encoding=choices.get("encoding") or None,
        update_existing=bool(choices.get("update_existing")),
        implied_until=date.fromisoformat(until) if until else None,
        columns={int(place): name for place, name in upload["columns"].items()},
        called=upload["file_name"],
        upload_id=None if only_look else upload["id"],
        only_look=only_look,
        on_progress=lambda rows: _progress(upload["id"], rows),
        actor=upload["actor"],
    ).to_json()


def _taken_already(upload: Mapping[str, Any]) -> dict[str, Any] | None:
    """The report of an import that was committed before whoever ran it died, so that it is not run twice."""
    with transaction() as tx:
        row = tx.execute("SELECT id, counts FROM imports WHERE upload_id = :upload", upload=upload["id"]).one_or_none()
    if row is None:
        return None
    return {**upload["report"], **row.counts, "import_id": row.id}


def _progress(upload_id: int, rows: int) -> None:
    """Beside the import's own transaction, so that it is seen; and whoever works on goes on holding the lease."""
    note(
        "UPDATE uploads SET rows_read = :rows, lease_until = clock_timestamp() + CAST(:lease AS interval) WHERE id = :id",
        rows=rows,
        lease=LEASE,
        id=upload_id,
    )


def _failed(upload: Mapping[str, Any], why: str) -> None:
    with transaction() as tx:
        tx.execute(
            "UPDATE uploads SET state = 'failed', error = :why, lease_until = NULL WHERE id = :id AND state = :was",
            id=upload["id"],
            why=why,
            was=upload["state"],
        )


def ring_waiting(tx: Transaction) -> None:
    """Ring for uploads whose bell was lost or whose worker died."""
    for upload_id in tx.execute(
        "SELECT id FROM uploads WHERE state = ANY(:waiting) AND (lease_until IS NULL OR lease_until < clock_timestamp()) AND created_at < clock_timestamp() - interval '10 seconds'",
        waiting=list(WAITING),
    ).scalars():
        tx.enqueue(queue.LOOK_AT_UPLOAD, upload_id)


def _found(tx: Transaction, upload_id: int, actor: str, *, lock: bool = False) -> dict[str, Any]:
    row = (
        tx.execute(
            "SELECT u.*, w.name AS newsletter_name, w.slug AS newsletter FROM uploads u JOIN newsletters w ON w.id = u.newsletter_id WHERE u.id = :id"
            + (" FOR UPDATE OF u" if lock else ""),
            id=upload_id,
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound("There is no such import.")
    require(actor, Permission.IMPORT, row["newsletter_id"])
    return dict(row)


KNOWN = tuple(SYNONYMS)
"""What a column may hold, beside an attribute of its own name."""
