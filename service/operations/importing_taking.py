"""Takes the staged rows of a file into subscribers, subscriptions and consent records, set by set. Refuses to revive
anybody, and records an act only where something changed."""

import json
from datetime import date

from service.db import Transaction
from service.errors import Conflict
from service.operations.reader_details import HIDDEN
from service.operations.wordings import sha256_of

_PIECE = 5000
"""Acts that are recorded at once."""

# The first row of an address wins, but an objection counts wherever it stands. A reader whose subscription was erased is
# known by the consent records alone, which is why the last act is looked up where there is no subscription.
_READERS = """
    CREATE TEMPORARY TABLE readers ON COMMIT DROP AS
    SELECT k.*, s.id AS subscriber_id,
        CASE
            WHEN EXISTS (SELECT FROM suppressions p WHERE p.email_key = k.email_key AND p.lifted_at IS NULL) THEN 'suppressed'
            WHEN n.id IS NOT NULL THEN CASE n.state WHEN 'unsubscribed' THEN 'left' ELSE 'taken' END
            WHEN {last_act} = 'newsletter' THEN 'left'
            ELSE 'taken'
        END AS outcome,
        CASE
            WHEN k.objects_line IS NOT NULL THEN 'objected'
            WHEN n.id IS NULL AND {last_tracking_act} = 'tracking' THEN 'objected'
            WHEN k.agrees THEN 'agreed'
            ELSE 'unasked'
        END AS tracking,
        s.id IS NOT NULL AND {hidden} AS is_shared, s.id IS NOT NULL AS is_known,
        n.id IS NULL OR n.state = 'pending' OR (k.objects_line IS NOT NULL AND n.tracking <> 'objected')
            OR (k.agrees AND n.tracking = 'unasked') AS is_touched
    FROM (
        SELECT DISTINCT ON (email_key) line, address, normalised_address, email_key, first_name, last_name, language, attributes,
            agrees, min(line) FILTER (WHERE objects) OVER (PARTITION BY email_key) AS objects_line
        FROM incoming ORDER BY email_key, line
    ) k
    LEFT JOIN subscribers s ON s.email_key = k.email_key
    LEFT JOIN subscriptions n ON n.subscriber_id = s.id AND n.newsletter_id = :newsletter
"""
_LAST_WITHDRAWN = """(
    SELECT CASE WHEN c.action = 'withdrawn' AND c.method <> 'import-undone' THEN c.purpose END FROM consent_records c
    WHERE c.email_key = k.email_key AND c.newsletter_id = :newsletter AND c.purpose = '{purpose}' ORDER BY c.id DESC LIMIT 1
)"""
# Whoever decides something about one reader takes this lock first, and then the subscription's. To take many of them in another
# order, or a subscription without it, would be to wait in a circle.
_LOCK_READERS = """
    SELECT count(*) FROM (
        SELECT FROM subscribers s WHERE s.id IN (SELECT subscriber_id FROM readers WHERE is_touched) ORDER BY s.id FOR NO KEY UPDATE
    ) locked
"""
_SUBSCRIBERS = """
    INSERT INTO subscribers (address, normalised_address, email_key, first_name, last_name, language, attributes)
    SELECT address, normalised_address, email_key, first_name, last_name, language, attributes FROM readers
    WHERE outcome = 'taken' AND subscriber_id IS NULL ORDER BY line
    ON CONFLICT DO NOTHING
"""
_UNKNOWN = "SELECT count(*) FROM readers WHERE outcome = 'taken' AND subscriber_id IS NULL"
# Somebody signed up at this very moment. Our own are locked and looked at with them, which only costs time.
_LOCK_NEW_READERS = """
    SELECT count(*) FROM (
        SELECT FROM subscribers s WHERE s.email_key IN (SELECT email_key FROM readers WHERE outcome = 'taken' AND subscriber_id IS NULL)
        ORDER BY s.id FOR NO KEY UPDATE
    ) locked
"""
_KNOW_NEW_READERS = "UPDATE readers SET is_known = true WHERE outcome = 'taken' AND subscriber_id IS NULL"
_FIND_SUBSCRIBERS = """
    UPDATE readers r SET subscriber_id = s.id FROM subscribers s
    WHERE r.outcome = 'taken' AND r.subscriber_id IS NULL AND s.email_key = r.email_key
"""
# What really changed is collected in one table, from which both the consent records and the report are made. The WHERE of
# DO UPDATE is judged on the newest row, so that whoever leaves at this very moment has left.
_CHANGES = "CREATE TEMPORARY TABLE changes (subscriber_id bigint, what text) ON COMMIT DROP"
_SUBSCRIPTIONS = """
    WITH begun AS (
        INSERT INTO subscriptions (subscriber_id, newsletter_id, state, tracking, expires_at)
        SELECT subscriber_id, :newsletter, 'active', tracking,
            (SELECT CAST(:implied_until AS timestamp) AT TIME ZONE time_zone FROM newsletters WHERE id = :newsletter)
        FROM readers WHERE outcome = 'taken' AND is_touched ORDER BY line
        ON CONFLICT (newsletter_id, subscriber_id)
            DO UPDATE SET state = 'active', expires_at = excluded.expires_at, changed_at = clock_timestamp()
            WHERE subscriptions.state = 'pending'
        RETURNING subscriber_id, tracking, xmax = 0 AS is_new
    )
    INSERT INTO changes
    SELECT subscriber_id, CASE WHEN is_new THEN 'added' ELSE 'activated' END FROM begun
    UNION ALL SELECT subscriber_id, tracking FROM begun WHERE is_new AND tracking <> 'unasked'
"""
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
        FROM readers r JOIN subscribers s ON s.id = r.subscriber_id WHERE r.is_known AND r.outcome = 'taken'
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
# Pieces in the order of the index, which is much faster than the file's; each is one call, and all that stays in memory. Every
# reader of them is locked by now, or was made by this import and is seen by nobody else.
_CONSENT = """
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
        -- An objection kept from before an erasure is no new act.
        WHERE c.what <> 'objected' OR r.objects_line IS NOT NULL
    ) acts GROUP BY n / :piece
"""
_AUDIENCE = """
    INSERT INTO imported_rows (import_id, subscriber_id, began)
    SELECT :import, r.subscriber_id,
        r.subscriber_id IN (SELECT c.subscriber_id FROM changes c WHERE c.what IN ('added', 'activated')) FROM readers r
    JOIN subscriptions n ON n.newsletter_id = :newsletter AND n.subscriber_id = r.subscriber_id AND n.state = 'active'
    WHERE r.outcome = 'taken' ORDER BY r.subscriber_id
"""


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
    `changes`, from which the report is made. `only`: whoever is in other newsletters than these as well (`is_shared`) keeps what
    is known of them. Raises Conflict."""
    consent, tracking_consent = (None if wording is None else sha256_of(wording) for wording in wordings)
    last_act, last_tracking_act = (_LAST_WITHDRAWN.format(purpose=purpose) for purpose in ("newsletter", "tracking"))
    # More memory makes it no faster: what is sorted on the disk is written and read in order.
    tx.execute("SET LOCAL work_mem = '2MB'")
    sql = _READERS.format(last_act=last_act, last_tracking_act=last_tracking_act, hidden=HIDDEN)
    tx.execute(sql, newsletter=newsletter_id, only=only)
    tx.execute("ANALYZE readers")
    tx.execute(_LOCK_READERS)
    tx.execute(_CHANGES)
    _make_subscribers(tx)
    tx.execute(_SUBSCRIPTIONS, newsletter=newsletter_id, implied_until=implied_until)
    tx.execute(_TRACKING, newsletter=newsletter_id)
    tx.execute(_details(update_existing), {"import": import_id})
    tx.execute("ANALYZE changes")
    tx.execute(
        _CONSENT,
        {
            "newsletter": newsletter_id,
            "import": import_id,
            "piece": _PIECE,
            "consent": consent,
            "tracking_consent": tracking_consent,
            "basis": json.dumps({"basis": "implied", "expires_on": str(implied_until)} if implied_until else {}),
        },
    )
    tx.execute(_AUDIENCE, {"newsletter": newsletter_id, "import": import_id})


def _make_subscribers(tx: Transaction) -> None:
    """A subscriber for every reader who is taken and not known. Raises Conflict."""
    unknown = tx.execute(_UNKNOWN).scalar_one()
    if tx.execute(_SUBSCRIBERS).rowcount < unknown:
        tx.execute(_LOCK_NEW_READERS)
        tx.execute(_KNOW_NEW_READERS)
    tx.execute(_FIND_SUBSCRIBERS)
    lost = tx.execute(_UNKNOWN).scalar_one()
    if lost:
        raise Conflict(
            f"{lost:,} addresses of the file are stored under another ADDRESS_KEY, or were erased at this moment. Nothing was imported; look at ADDRESS_KEY, then import again."
        )


def _details(update_existing: bool) -> str:
    def settled(overwritten: str, filled: str) -> str:
        return f"CASE WHEN r.is_shared THEN {filled} ELSE {overwritten} END" if update_existing else filled

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
