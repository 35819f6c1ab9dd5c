"""Imports readers from a file, all of it or nothing, and says what became of every row. Refuses to revive anybody: who
left, is suppressed or objected to tracking stays so, whatever the file says."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import wraps
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar, cast

import psycopg
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import OperationalError

from service.db import Transaction, transaction
from service.domain.permissions import Permission
from service.errors import Invalid, NotFound
from service.operations.auditing import audit
from service.operations.importing_file import Records, RowFault, Source, opened
from service.operations.importing_rows import SYNONYMS, Columns, Row, RowError, RowReader, read_header
from service.operations.importing_taking import begin, make_subscribers, take
from service.operations.permitting import within
from service.operations.reader_details import present_actor
from service.operations.wordings import store

__all__ = ["SYNONYMS", "ImportReport", "RowFault", "import_subscribers"]

P = ParamSpec("P")
T = TypeVar("T")
FAULTS_KEPT = 1000
BLOCK = 5000
"""Rows that are taken at once, and after which progress is told."""
MAXIMUM_WORDING = 20_000
_LOCK = 0x494D504F  # any number that nobody else takes: "IMPO"

_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_TABS = 5
_COLUMNS = "line, email_key, address, normalised_address, first_name, last_name, language, attributes, agrees, objects"
_COUNTS = """
    SELECT count(*) AS readers, count(*) FILTER (WHERE outcome = 'suppressed') AS suppressed,
        count(*) FILTER (WHERE is_new OR is_sendable) AS sendable,
        count(*) FILTER (WHERE is_new OR is_sendable AND c.added) AS added,
        count(*) FILTER (WHERE is_sendable AND NOT c.added) AS updated
    FROM (
        SELECT subscriber_id, outcome, outcome = 'taken' AND NOT is_known AS is_new, is_known AND EXISTS (
            SELECT FROM imported_rows i WHERE i.import_id = :import AND i.subscriber_id = readers.subscriber_id
        ) AS is_sendable FROM readers OFFSET 0
    ) r
    LEFT JOIN (SELECT subscriber_id, bool_or(what = 'added') AS added FROM changes GROUP BY 1) c ON c.subscriber_id = r.subscriber_id
"""
_REFUSED = """
    SELECT i.line, 'The same address as in line ' || r.line || '; that row was taken as the first.' AS reason
    FROM incoming i JOIN readers r ON r.email_key = i.email_key WHERE i.line <> r.line
    UNION ALL
    SELECT line, CASE outcome
        WHEN 'left' THEN 'This reader left the newsletter. An import brings nobody back; they can sign up again themselves.'
        ELSE 'This address is suppressed ('
            || (SELECT string_agg(p.kind, ', ' ORDER BY p.kind) FROM suppressions p WHERE p.email_key = readers.email_key AND p.lifted_at IS NULL)
            || '). An import lifts no suppression.'
    END FROM readers WHERE outcome <> 'taken'
    ORDER BY 1 LIMIT :limit
"""


@dataclass(frozen=True)
class ImportReport:
    """What became of every row: `rows` = added + updated + unchanged + duplicates + invalid + suppressed + left.

    `added` are new to this newsletter; `sendable` are those it may be sent to after the import. `faults` are the first
    thousand rows not taken, in the file's order, `faults_total` is how many there were; their reasons may quote the file.
    """

    import_id: int
    rows: int
    added: int
    updated: int
    unchanged: int
    duplicates: int
    invalid: int
    suppressed: int
    left: int
    sendable: int
    faults: tuple[RowFault, ...]
    faults_total: int
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, for `--json`."""
        return asdict(self)


def _once_more(work: Callable[P, T]) -> Callable[P, T]:
    """What leaves nothing behind when it fails, done again where it waited in a circle: with whoever moves to an address of the file
    while they are in it themselves."""

    @wraps(work)
    def done(*args: P.args, **words: P.kwargs) -> T:
        try:
            return work(*args, **words)
        except OperationalError as error:
            if not isinstance(error.orig, DeadlockDetected):
                raise
        return work(*args, **words)

    return done


@_once_more
def import_subscribers(
    path: Path,
    *,
    newsletter_id: int,
    consent: str,
    tracking_consent: str | None = None,
    encoding: str | None = None,
    update_existing: bool = False,
    implied_until: date | None = None,
    columns: Mapping[int, str] = MappingProxyType({}),
    called: str = "",
    upload_id: int | None = None,
    only_look: bool = False,
    on_progress: Callable[[int], None] | None = None,
    actor: str = "import",
) -> ImportReport:
    """Import a file of readers who agreed to this newsletter, as the words of `consent` say: how, where and when.

    `tracking_consent` says the same for tracking: of those whose row says yes or, without a `tracking` column, of all.
    What is known of a reader is kept unless `update_existing`, and is always kept of one who is also in a newsletter where the actor
    may not change readers; an empty cell never removes anything. `implied_until`: nobody
    of the file agreed expressly, and whoever is new gets issues until the morning of that day only, unless they confirm.
    `columns`: place → what it holds, where its title does not say it. `called`: the file's name, if it has another here.
    `only_look`: take nothing, but say what would become of every row. `on_progress` is told how many rows were read. Raises Invalid (one line for each problem) and NotFound; then, and when
    the process is killed, nothing of the file is in the database.
    """
    wordings = _wordings(consent, tracking_consent)
    with opened(path, encoding) as source, _taking(only_look) as tx:
        if tx.execute("SELECT FROM newsletters WHERE id = :id", id=newsletter_id).one_or_none() is None:
            raise NotFound(f"There is no newsletter with the number {newsletter_id}.")
        _check_day(tx, implied_until)
        staged = _Staged(source, columns, tracking_agreed=tracking_consent is not None)
        import_id = _begin(tx, called or path.name, source, newsletter_id, wordings, upload_id)
        staged.copy(tx, on_progress)
        source.check_unchanged()
        only = within(present_actor(tx, actor), Permission.CHANGE_READERS)
        take(tx, import_id, newsletter_id, wordings, update_existing, implied_until, only)
        report = _keep(tx, import_id, _report(tx, import_id, staged, update_existing))
        audit(tx, actor, "import", f"import {import_id}", newsletter=newsletter_id, sendable=report.sendable)
    return report


def _keep(tx: Transaction, import_id: int, report: ImportReport) -> ImportReport:
    """Write down what the import did, for who asks."""
    counts = {name: value for name, value in report.to_json().items() if name not in ("import_id", "faults", "notes")}
    tx.execute(
        "UPDATE imports SET counts = CAST(:counts AS jsonb) WHERE id = :id", counts=json.dumps(counts), id=import_id
    )
    return report


@contextmanager
def _taking(only_look: bool) -> Iterator[Transaction]:
    """A transaction; with `only_look`, one that leaves nothing behind."""
    try:
        with transaction() as tx:
            yield tx
            if only_look:
                raise _LookedError
    except _LookedError:
        return


class _LookedError(Exception):
    """Everything was seen, and nothing is to be kept."""


def _check_day(tx: Transaction, implied_until: date | None) -> None:
    today = tx.execute("SELECT current_date").scalar_one()
    if implied_until is not None and implied_until <= today:
        raise Invalid(
            f"The implied consent would have ended on {implied_until}. Name a day to come, or leave them out."
        )


def _wordings(consent: str, tracking_consent: str | None) -> list[str | None]:
    """Both texts, stripped. Raises Invalid for one that is no evidence."""
    problems = []
    for text, purpose in ((consent, "consent"), (tracking_consent, "tracking consent")):
        if text is None:
            continue
        if not text.strip():
            problems.append(
                f"The {purpose} text is empty. Say how these readers agreed, such as “Sign-up form on our site, 2026”."
            )
        elif len(text) > MAXIMUM_WORDING:
            problems.append(
                f"The {purpose} text has {len(text):,} characters; at most {MAXIMUM_WORDING:,} are kept. Shorten it."
            )
        elif "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            problems.append(f"The {purpose} text holds a character that cannot be stored; type it again.")
    if problems:
        raise Invalid(*problems)
    return [consent.strip(), tracking_consent and tracking_consent.strip()]


def _copied(row: Row) -> str:
    """The row as COPY's text format has it: written out here, it takes a third of the driver's time."""
    line, address, normalised, key, first_name, last_name, language, attributes, agrees, objects = row
    typed = "\t".join((address, normalised, first_name, last_name, language, attributes))
    if "\\" in typed or typed.count("\t") > _TABS or "\n" in typed or "\r" in typed:
        typed = "\t".join(
            text.translate(_ESCAPED) for text in (address, normalised, first_name, last_name, language, attributes)
        )
    return f"{line}\t\\\\x{key.hex()}\t{typed}\t{'t' if agrees else 'f'}\t{'t' if objects else 'f'}\n"


@contextmanager
def _by_turns() -> Iterator[None]:
    """Between two statements, who speaks to the database waits for the reading thread for a tenth of the usual time."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class _Staged:
    """The file's rows on their way into the staging table, and what was wrong with the others."""

    def __init__(self, source: Source, columns: Mapping[int, str], *, tracking_agreed: bool) -> None:
        self._records = Records(source.text)
        self._reader = RowReader(
            _header(self._records, columns), tracking_agreed=tracking_agreed, delimiter=self._records.delimiter
        )
        self.rows = 0
        self.invalid = 0
        self.faults: list[RowFault] = []

    @property
    def ignored_yes(self) -> int:
        return self._reader.ignored_yes

    def copy(self, tx: Transaction, on_progress: Callable[[int], None] | None) -> None:
        begin(tx)
        for rows in self._blocks(tx):
            make_subscribers(tx)
            if on_progress:
                on_progress(rows)

    def _blocks(self, tx: Transaction) -> Iterator[int]:
        """Copy the file into the table `block`, a block at a time; how many rows were read by then. The next block is read meanwhile:
        reading takes one processor, and the database another."""
        connection = cast("psycopg.Connection[Any]", tx.connection.connection.driver_connection)
        lines = map(_copied, self._rows())

        def read() -> tuple[str, int]:
            return "".join(islice(lines, BLOCK)), self.rows

        with _by_turns(), ThreadPoolExecutor(max_workers=1, thread_name_prefix="reading-a-file") as reader:
            told = 0
            good, rows = reader.submit(read).result()
            while good:
                following = reader.submit(read)
                # COPY is five times as fast as inserts.
                with connection.cursor() as cursor, cursor.copy(f"COPY block ({_COLUMNS}) FROM STDIN") as copy:
                    copy.write(good)
                yield (told := rows)
                good, rows = following.result()
            if rows > told:
                yield rows

    def _rows(self) -> Iterator[Row]:
        for record in self._records:
            self.rows += 1
            if isinstance(record, RowFault):
                self._fault(record)
            else:
                try:
                    yield self._reader.read(*record)
                except RowError as error:
                    self._fault(RowFault(record[0], str(error)))

    def _fault(self, fault: RowFault) -> None:
        self.invalid += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(fault)


def _header(records: Records, columns: Mapping[int, str]) -> Columns:
    first = next(iter(records), None)
    if first is None:
        raise Invalid(
            "The file has no line that names the columns. Put a line such as email,first_name,last_name first."
        )
    if isinstance(first, RowFault):
        raise Invalid(f"Line {first.line}, which must name the columns, cannot be read. {first.reason}")
    return read_header(first[1], columns)


def _begin(
    tx: Transaction, name: str, source: Source, newsletter_id: int, wordings: list[str | None], upload_id: int | None
) -> int:
    # From here on one import at a time: two that name the same readers would otherwise wait for each other's rows.
    tx.execute("SELECT pg_advisory_xact_lock(:lock)", lock=_LOCK)
    store(tx, [wording for wording in wordings if wording is not None])
    return int(
        tx.execute(
            """INSERT INTO imports (newsletter_id, file_name, file_sha256, consent, tracking_consent, upload_id)
               VALUES (:newsletter, :name, :sha256, :consent, :tracking_consent, :upload) RETURNING id""",
            upload=upload_id,
            newsletter=newsletter_id,
            name=name.encode("utf-8", "replace").decode("utf-8"),
            sha256=source.sha256,
            consent=wordings[0],
            tracking_consent=wordings[1],
        ).scalar_one()
    )


def _notes(tx: Transaction, staged: _Staged, update_existing: bool) -> list[str]:
    notes = []
    if staged.ignored_yes:
        notes.append(
            f"{staged.ignored_yes:,} {'row says' if staged.ignored_yes == 1 else 'rows say'} yes to tracking, which was ignored: say how these readers agreed to it (--tracking-consent)."
        )
    # All of them, whether the file says something else or not: by the number, nobody shall find out what is known of them.
    shared = tx.execute("SELECT count(*) FROM readers WHERE is_shared AND outcome = 'taken'").scalar_one()
    if update_existing and shared:
        notes.append(
            f"{shared:,} {'reader is' if shared == 1 else 'readers are'} also in newsletters in which you may not change readers: what was known of them stays, and only what was empty is filled in."
        )
    return notes


def _report(tx: Transaction, import_id: int, staged: _Staged, update_existing: bool) -> ImportReport:
    counts = tx.execute(_COUNTS, {"import": import_id}).one()
    duplicates = staged.rows - staged.invalid - counts.readers
    refused = [RowFault(row.line, row.reason) for row in tx.execute(_REFUSED, limit=FAULTS_KEPT)]
    # Rows to mend come before rows that nobody needs to mend, where there is no room for all.
    faults = sorted((staged.faults + refused)[:FAULTS_KEPT], key=lambda fault: fault.line)
    left = counts.readers - counts.suppressed - counts.sendable
    return ImportReport(
        import_id=import_id,
        rows=staged.rows,
        added=counts.added,
        updated=counts.updated,
        unchanged=counts.sendable - counts.added - counts.updated,
        duplicates=duplicates,
        invalid=staged.invalid,
        suppressed=counts.suppressed,
        left=left,
        sendable=counts.sendable,
        faults=tuple(faults),
        faults_total=staged.invalid + duplicates + counts.suppressed + left,
        notes=tuple(_notes(tx, staged, update_existing)),
    )
