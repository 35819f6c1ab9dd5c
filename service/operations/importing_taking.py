"""Takes the staged rows of a file into subscribers, subscriptions and consent records, set by set. Refuses to revive
anybody, and records an act only where something changed."""

import json
from datetime import date

from sqlalchemy.exc import IntegrityError

from service.db import Transaction
from service.errors import Conflict
from service.operations.reader_details import HIDDEN
from service.operations.wordings import sha256_of

_PIECE = 5000
"""Acts that are recorded at once."""

# A block of the file's rows as they were read, and those of all blocks with the subscriber that was made for each: the details are
# theirs by then, and no longer the row's.
_BLOCK = """
    CREATE TEMPORARY TABLE block (
        line integer, address text, normalised_address text, email_key bytea, first_name text, last_name text, language text,
        attributes jsonb, agrees boolean, objects boolean
    ) ON COMMIT DROP
"""
_INCOMING = "CREATE TEMPORARY TABLE incoming (LIKE block, made_id bigint) ON COMMIT DROP"
# Whoever was erased is known by what is recorded of them. Looked up row by row, since the plan is kept while the tables grow. Whoever signs
# up at this very moment is waited for, and then known. Only one index is asked for conflicts before a row is written: the same key is the same
# address. The rows are in the file's order, as they were copied: of two with the same address, the first is there when the second comes.
_MAKE = """
    WITH made AS (
        INSERT INTO subscribers (address, normalised_address, email_key, first_name, last_name, language, attributes)
        SELECT address, normalised_address, email_key, first_name, last_name, language, attributes
        FROM block k
        WHERE CASE WHEN (SELECT s.id FROM subscribers s WHERE s.email_key = k.email_key) IS NOT NULL THEN false
            ELSE (SELECT p.id FROM suppressions p WHERE p.email_key = k.email_key AND p.lifted_at IS NULL LIMIT 1) IS NULL
                AND (SELECT c.id FROM consent_records c WHERE c.email_key = k.email_key LIMIT 1) IS NULL
            END
        ON CONFLICT (email_key) DO NOTHING RETURNING id, email_key
    )
    INSERT INTO incoming (line, email_key, agrees, objects, made_id, address, normalised_address, first_name, last_name, language, attributes)
    SELECT line, b.email_key, agrees, objects, made.id, d.* FROM block b LEFT JOIN made ON made.email_key = b.email_key
    LEFT JOIN LATERAL (SELECT address, normalised_address, first_name, last_name, language, attributes) d ON made.id IS NULL
"""
_NEXT_BLOCK = "TRUNCATE block"

# What a reader did while the file was read was before the import: undoing it later must not take that for an answer to it.
_FROM_NOW_ON = "UPDATE imports SET created_at = clock_timestamp() WHERE id = :import"

# The first row of an address wins, but an objection counts wherever it stands. A reader whose subscription was erased is
# known by the consent records alone, which is why the last act is looked up where there is no subscription. Subscribers are looked up
# one by one, for those alone who were not made.
_READERS = """
    CREATE TEMPORARY TABLE readers ON COMMIT DROP AS
    SELECT k.line, k.email_key, k.agrees, k.objects_line, coalesce(k.made_id, s.id) AS subscriber_id,
        CASE
            WHEN EXISTS (SELECT FROM suppressions p WHERE p.email_key = k.email_key AND p.lifted_at IS NULL) THEN 'suppressed'
            WHEN k.made_id IS NOT NULL THEN 'taken'
            WHEN n.id IS NOT NULL THEN CASE n.state WHEN 'unsubscribed' THEN 'left' ELSE 'taken' END
            WHEN {last_act} = 'newsletter' THEN 'left'
            ELSE 'taken'
        END AS outcome,
        CASE
            WHEN k.objects_line IS NOT NULL THEN 'objected'
            WHEN n.id IS NULL AND k.made_id IS NULL AND {last_tracking_act} = 'tracking' THEN 'objected'
            WHEN k.agrees THEN 'agreed'
            ELSE 'unasked'
        END AS tracking,
        s.id IS NOT NULL AND {hidden} AS is_shared, s.id IS NOT NULL AS is_known,
        n.id IS NULL OR n.state = 'pending' OR (k.objects_line IS NOT NULL AND n.tracking <> 'objected')
            OR (k.agrees AND n.tracking = 'unasked') AS is_touched
    FROM (
        SELECT DISTINCT ON (email_key) line, email_key, agrees, made_id, min(line) FILTER (WHERE objects) OVER (PARTITION BY email_key) AS objects_line
        FROM incoming ORDER BY email_key, line
    ) k
    LEFT JOIN LATERAL (SELECT id FROM subscribers WHERE email_key = k.email_key AND k.made_id IS NULL OFFSET 0) s ON true
    LEFT JOIN subscriptions n ON n.subscriber_id = s.id AND n.newsletter_id = :newsletter
"""
_LAST_WITHDRAWN = """(
    SELECT CASE WHEN c.action = 'withdrawn' AND c.method <> 'import-undone' THEN c.purpose END FROM consent_records c
    WHERE c.email_key = k.email_key AND c.newsletter_id = :newsletter AND c.purpose = '{purpose}' ORDER BY c.number DESC LIMIT 1
)"""
# Whoever decides something about one reader takes this lock first, and then the subscription's. To take many of them in another
# order, or a subscription without it, would be to wait in a circle.
_LOCK_READERS = """
    SELECT count(*) FROM (
        SELECT FROM subscribers s WHERE s.id IN (SELECT subscriber_id FROM readers WHERE is_known AND is_touched) ORDER BY s.id FOR NO KEY UPDATE
    ) locked
"""
# Who was known, or suppressed, when their block was read, and is not any more. They are treated as known: others see them from now on.
_MAKE_LATE = """
    INSERT INTO subscribers (address, normalised_address, email_key, first_name, last_name, language, attributes)
    SELECT i.address, i.normalised_address, i.email_key, i.first_name, i.last_name, i.language, i.attributes
    FROM readers r JOIN incoming i ON i.line = r.line WHERE r.outcome = 'taken' AND r.subscriber_id IS NULL ORDER BY r.line
    ON CONFLICT DO NOTHING
"""
_FIND_LATE = """
    UPDATE readers r SET subscriber_id = s.id, is_known = true FROM subscribers s
    WHERE r.outcome = 'taken' AND r.subscriber_id IS NULL AND s.email_key = r.email_key
"""
_OTHER_KEY = "{lost} addresses of the file are stored under another ADDRESS_KEY, or were changed at this moment. Nothing was imported; look at ADDRESS_KEY, then import again."
_LOST = "SELECT count(*) FROM readers WHERE outcome = 'taken' AND subscriber_id IS NULL"
# Made for a row that was good when it was read; since then, somebody suppressed the address.
_UNMAKE = """
    DELETE FROM subscribers s USING readers r WHERE s.id = r.subscriber_id AND NOT r.is_known AND r.outcome <> 'taken'
"""
_SUBSCRIPTIONS = """
    WITH begun AS (
        INSERT INTO subscriptions (subscriber_id, newsletter_id, state, tracking, expires_at)
        SELECT subscriber_id, :newsletter, 'active', tracking,
            (SELECT CAST(:implied_until AS timestamp) AT TIME ZONE time_zone FROM newsletters WHERE id = :newsletter)
        FROM readers WHERE outcome = 'taken' AND is_touched AND {which} ORDER BY line
        {conflict}
        RETURNING subscriber_id, tracking, xmax = 0 AS is_new
    )
"""
# Nobody else sees a reader who was made for this import, so nobody else can have begun theirs, and all that was meant came to be.
_OF_NEW = (
    _SUBSCRIPTIONS.format(which="NOT is_known", conflict="")
    + "INSERT INTO imported_rows (import_id, subscriber_id, began) SELECT :import, subscriber_id, true FROM begun"
)
# What really changed of those who were known is collected in one table, from which both the consent records and the report are made. The
# WHERE of DO UPDATE is judged on the newest row, so that whoever leaves at this very moment has left.
_CHANGES = "CREATE TEMPORARY TABLE changes (subscriber_id bigint, what text) ON COMMIT DROP"
_OF_KNOWN = (
    _SUBSCRIPTIONS.format(
        which="is_known",
        conflict="""ON CONFLICT (newsletter_id, subscriber_id)
            DO UPDATE SET state = 'active', expires_at = excluded.expires_at, changed_at = clock_timestamp()
            WHERE subscriptions.state = 'pending'""",
    )
    + """
    INSERT INTO changes
    SELECT subscriber_id, CASE WHEN is_new THEN 'added' ELSE 'activated' END FROM begun
    UNION ALL SELECT subscriber_id, tracking FROM begun WHERE is_new AND tracking <> 'unasked'
"""
)
_TRACKING = """
    WITH answered AS (
        UPDATE subscriptions n SET tracking = r.tracking FROM readers r
        WHERE n.newsletter_id = :newsletter AND n.subscriber_id = r.subscriber_id AND r.is_known AND r.is_touched AND (
            (r.objects_line IS NOT NULL AND n.tracking <> 'objected')
            OR (r.tracking = 'agreed' AND n.tracking = 'unasked' AND n.state = 'active' AND r.outcome = 'taken')
        )
        RETURNING n.subscriber_id, n.tracking
    )
    INSERT INTO changes SELECT * FROM answered
"""
_DETAILS = """
    WITH wanted AS (
        SELECT s.id, s.address AS old_address, s.first_name AS old_first_name, s.last_name AS old_last_name, s.language AS old_language,
            s.attributes AS old_attributes, {address} AS address, {first_name} AS first_name, {last_name} AS last_name, {language} AS language, {attributes} AS attributes
        FROM readers k JOIN subscribers s ON s.id = k.subscriber_id JOIN incoming r ON r.line = k.line
        WHERE k.is_known AND k.outcome = 'taken'
    ), changed AS (
        UPDATE subscribers s SET address = w.address, first_name = w.first_name, last_name = w.last_name, language = w.language, attributes = w.attributes
        FROM wanted w WHERE s.id = w.id
            AND (s.address, s.first_name, s.last_name, s.language, s.attributes) <> (w.address, w.first_name, w.last_name, w.language, w.attributes)
        RETURNING w.*
    ), kept AS (
        INSERT INTO import_details (import_id, subscriber_id, was, became)
        SELECT CAST(:import AS bigint), c.id, {was}, {became} FROM changed c ORDER BY c.id
    )
    INSERT INTO changes SELECT id, 'details' FROM changed
"""
# Only what differs is kept: null for a detail that was not there.
_FIELDS = ("address", "first_name", "last_name", "language")
_WAS = """(SELECT jsonb_object_agg(n.key, c.old_attributes -> n.key) FROM jsonb_each(c.attributes) n
    WHERE c.old_attributes -> n.key IS DISTINCT FROM n.value)"""
_BECAME = """(SELECT jsonb_object_agg(n.key, n.value) FROM jsonb_each(c.attributes) n
    WHERE c.old_attributes -> n.key IS DISTINCT FROM n.value)"""
# Pieces in the order of the index, which is much faster than the file's; each is one call, and all that stays in memory. Keys are spread
# evenly, so that their first two bytes make pieces of the same size. Every reader of them is locked by now, or was made by this import and
# is seen by nobody else. An objection kept from before an erasure is no new act.
_CONSENT_OF_NEW = """
    SELECT record_first_acts(
        :newsletter, :import, 'import', :consent, :tracking_consent, CAST(:basis AS jsonb), array_agg(email_key ORDER BY email_key),
        array_agg(line ORDER BY email_key), array_agg(answer ORDER BY email_key), array_agg(coalesce(objects_line, line) ORDER BY email_key)
    ) FROM (
        SELECT email_key, line, objects_line, CASE WHEN objects_line IS NOT NULL THEN 'withdrawn' WHEN tracking = 'agreed' THEN 'given' END AS answer,
            (get_byte(email_key, 0) * 256 + get_byte(email_key, 1)) * (SELECT 1 + count(*) / :piece FROM readers) / 65536 AS piece
        FROM readers WHERE outcome = 'taken' AND NOT is_known
    ) acts GROUP BY piece
"""
_CONSENT_OF_KNOWN = """
    SELECT record_acts(
        :newsletter, :import, 'import', array_agg(email_key ORDER BY n), array_agg(purpose ORDER BY n), array_agg(action ORDER BY n),
        array_agg(wording ORDER BY n), array_agg(details ORDER BY n)
    ) FROM (
        SELECT r.email_key, act.purpose, act.action, act.wording, row_number() OVER (ORDER BY r.email_key, act.purpose) AS n,
            jsonb_build_object('line', CASE act.what WHEN 'objected' THEN r.objects_line ELSE r.line END)
                || CASE WHEN act.purpose = 'newsletter' THEN CAST(:basis AS jsonb) ELSE '{}' END AS details
        FROM changes c JOIN readers r ON r.subscriber_id = c.subscriber_id
        JOIN (VALUES
            ('added', 'newsletter', 'given', CAST(:consent AS bytea)),
            ('activated', 'newsletter', 'given', CAST(:consent AS bytea)),
            ('agreed', 'tracking', 'given', CAST(:tracking_consent AS bytea)),
            ('objected', 'tracking', 'withdrawn', NULL)
        ) act (what, purpose, action, wording) ON act.what = c.what
        WHERE c.what <> 'objected' OR r.objects_line IS NOT NULL
    ) acts GROUP BY n / :piece
"""
_AUDIENCE = """
    INSERT INTO imported_rows (import_id, subscriber_id, began)
    SELECT :import, r.subscriber_id, c.what IS NOT NULL FROM readers r
    JOIN subscriptions n ON n.newsletter_id = :newsletter AND n.subscriber_id = r.subscriber_id AND n.state = 'active'
    LEFT JOIN changes c ON c.subscriber_id = r.subscriber_id AND c.what IN ('added', 'activated')
    WHERE r.outcome = 'taken' AND r.is_known ORDER BY r.subscriber_id
"""


def begin(tx: Transaction) -> None:
    """Make the table `block`, for so many rows of the file as are read at once, and the table `incoming`, for all of them."""
    # More memory makes it no faster: what is sorted on the disk is written and read in order.
    tx.execute("SET LOCAL work_mem = '2MB'")
    tx.execute(_BLOCK)
    tx.execute(_INCOMING)


def make_subscribers(tx: Transaction) -> None:
    """Make a subscriber for each of the block's readers of whom nothing is known or recorded; put the block to the others. This much
    can be done while the file is still being read. Raises Conflict."""
    try:
        tx.execute(_MAKE)
    except IntegrityError:
        raise Conflict(_OTHER_KEY.format(lost="Some")) from None
    tx.execute(_NEXT_BLOCK)


def take(
    tx: Transaction,
    import_id: int,
    newsletter_id: int,
    wordings: list[str | None],
    update_existing: bool,
    implied_until: date | None = None,
    only: list[int] | None = None,
) -> None:
    """Take the table `incoming` into the newsletter. Leaves the tables `readers` (one row an address, with its outcome) and
    `changes` (what changed of those who were known), from which the report is made. `only`: whoever is in other newsletters than these
    as well (`is_shared`) keeps what is known of them. Raises Conflict."""
    consent, tracking_consent = (None if wording is None else sha256_of(wording) for wording in wordings)
    tx.execute(_FROM_NOW_ON, {"import": import_id})
    _settle_readers(tx, newsletter_id, only)
    tx.execute(_LOCK_READERS)
    tx.execute(_OF_NEW, {"import": import_id, "newsletter": newsletter_id, "implied_until": implied_until})
    tx.execute(_CHANGES)
    tx.execute(_OF_KNOWN, newsletter=newsletter_id, implied_until=implied_until)
    tx.execute(_TRACKING, newsletter=newsletter_id)
    tx.execute(_details(update_existing), {"import": import_id})
    tx.execute("ANALYZE changes")
    acts = {
        "newsletter": newsletter_id,
        "import": import_id,
        "piece": _PIECE,
        "consent": consent,
        "tracking_consent": tracking_consent,
        "basis": json.dumps({"basis": "implied", "expires_on": str(implied_until)} if implied_until else {}),
    }
    try:
        tx.execute(_CONSENT_OF_NEW, acts)
    except IntegrityError:  # something was recorded of one of them since their block was read
        raise Conflict(_OTHER_KEY.format(lost="Some")) from None
    tx.execute(_CONSENT_OF_KNOWN, acts)
    tx.execute(_AUDIENCE, {"newsletter": newsletter_id, "import": import_id})


def _settle_readers(tx: Transaction, newsletter_id: int, only: list[int] | None) -> None:
    """What becomes of each address, now that all of the file is known. Raises Conflict."""
    last_act, last_tracking_act = (_LAST_WITHDRAWN.format(purpose=purpose) for purpose in ("newsletter", "tracking"))
    tx.execute("ANALYZE incoming")
    sql = _READERS.format(last_act=last_act, last_tracking_act=last_tracking_act, hidden=HIDDEN)
    tx.execute(sql, newsletter=newsletter_id, only=only)
    tx.execute("ANALYZE readers")
    if tx.execute(_LOST).scalar_one():
        tx.execute(_MAKE_LATE)
        tx.execute(_FIND_LATE)
    if lost := tx.execute(_LOST).scalar_one():
        raise Conflict(_OTHER_KEY.format(lost=f"{lost:,}"))
    tx.execute(_UNMAKE)


def _details(update_existing: bool) -> str:
    def settled(overwritten: str, filled: str) -> str:
        return f"CASE WHEN k.is_shared THEN {filled} ELSE {overwritten} END" if update_existing else filled

    def either(name: str) -> str:
        return settled(f"coalesce(nullif(r.{name}, ''), s.{name})", f"coalesce(nullif(s.{name}, ''), r.{name})")

    def differing(prefix: str, attributes: str) -> str:
        pairs = ", ".join(f"'{name}', CASE WHEN c.old_{name} <> c.{name} THEN c.{prefix}{name} END" for name in _FIELDS)
        return f"jsonb_strip_nulls(jsonb_build_object({pairs})) || jsonb_build_object('attributes', coalesce({attributes}, '{{}}'))"

    return _DETAILS.format(
        was=differing("old_", _WAS),
        became=differing("", _BECAME),
        address=settled("r.address", "s.address"),
        first_name=either("first_name"),
        last_name=either("last_name"),
        language=either("language"),
        attributes=settled("s.attributes || r.attributes", "r.attributes || s.attributes"),
    )
