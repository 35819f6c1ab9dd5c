"""Everything that is kept of one reader, for themselves: whole rows, so that a column added later is in it from its first day.
Left out is only what says nothing of the person or is a secret of ours; a test holds the two together."""

from dataclasses import asdict
from typing import Any

from service.db import Transaction, transaction
from service.domain.consent import Act
from service.languages import mark
from service.operations import proving
from service.settings import current

_MAILS_OF_ISSUES = """
    SELECT to_jsonb(d) - '{batch_id}'::text[] || jsonb_build_object('newsletter', w.slug, 'subject', coalesce(v.subject, i.subject),
        'handed_over_at', b.recorded_at) AS row
    FROM deliveries d JOIN issues i ON i.id = d.issue_id JOIN newsletters w ON w.id = i.newsletter_id
    LEFT JOIN LATERAL (
        SELECT max(a.recorded_at) AS recorded_at FROM attempts a WHERE a.batch_id = d.batch_id AND a.state = 'accepted'
    ) b ON true
    LEFT JOIN LATERAL (
        SELECT v.subject FROM batches x JOIN cohorts c ON c.id = x.cohort_id JOIN variants v ON v.id = c.variant_id WHERE x.id = d.batch_id
    ) v ON true
    WHERE d.issue_id = ANY(ARRAY(SELECT id FROM issues WHERE prepared_at IS NOT NULL OR state = 'preparing')) AND d.subscriber_id = :id
    ORDER BY d.issue_id
"""
# The issues are named so that only their partitions are looked into.
_EVENTS = """
    SELECT to_jsonb(e) - '{key}'::text[] AS row FROM events e
    WHERE e.issue_id = ANY(CAST(:issues AS bigint[])) AND e.delivery_id = ANY(CAST(:deliveries AS bigint[])) ORDER BY e.at
"""
# A former address counts up to its change: whatever came later may be somebody else's, whom it was given to since.
_OWN = "unnest(CAST(:keys AS bytea[]), CAST(:untils AS timestamptz[])) AS k (key, until)"
_PARTS = {
    "profile": "SELECT to_jsonb(s) AS row FROM subscribers s WHERE s.id = :id",
    "subscriptions": """
        SELECT to_jsonb(n) || jsonb_build_object('newsletter', w.slug, 'newsletter_name', w.name) AS row
        FROM subscriptions n JOIN newsletters w ON w.id = n.newsletter_id WHERE n.subscriber_id = :id ORDER BY n.id""",
    "reasons_for_leaving": """
        SELECT to_jsonb(r) AS row FROM leave_reasons r JOIN subscriptions n ON n.id = r.subscription_id WHERE n.subscriber_id = :id ORDER BY r.id""",
    "sign_ups": f"SELECT to_jsonb(g) AS row FROM {_OWN} JOIN signups g ON g.email_key = k.key AND g.created_at <= k.until ORDER BY g.id",
    "mails_of_the_service": f"""
        SELECT to_jsonb(m) AS row FROM mails m WHERE m.subscriber_id = :id
            OR EXISTS (SELECT FROM {_OWN} WHERE k.key = m.email_key AND m.created_at <= k.until) ORDER BY m.id""",
    "requests_for_a_link": f"SELECT to_jsonb(r) AS row FROM {_OWN} JOIN link_requests r ON r.email_key = k.key AND r.created_at <= k.until ORDER BY r.id",
    "links_to_the_preferences": "SELECT to_jsonb(l) AS row FROM links l WHERE l.subscriber_id = :id ORDER BY l.id",
    "changes_of_address": "SELECT to_jsonb(c) AS row FROM address_changes c WHERE c.subscriber_id = :id ORDER BY c.id",
    "tags": """
        SELECT jsonb_build_object('tag', g.name, 'since', t.created_at) AS row FROM subscriber_tags t JOIN tags g ON g.id = t.tag_id
        WHERE t.subscriber_id = :id ORDER BY t.created_at""",
    "files_imported": """
        SELECT to_jsonb(i) - '{counts}'::text[] || jsonb_build_object('details_before', d.was, 'details_since', d.became) AS row
        FROM (SELECT import_id FROM imported_rows WHERE subscriber_id = :id
            UNION SELECT import_id FROM import_details WHERE subscriber_id = :id) r
        JOIN imports i ON i.id = r.import_id LEFT JOIN import_details d ON d.import_id = i.id AND d.subscriber_id = :id
        ORDER BY i.id""",
    "suppressions": f"SELECT to_jsonb(p) AS row FROM {_OWN} JOIN suppressions p ON p.email_key = k.key AND p.since <= k.until ORDER BY p.id",
    "earlier_erasures": f"""
        SELECT to_jsonb(e) - '{{signature}}'::text[] AS row FROM {_OWN} JOIN erasures e ON e.email_key = k.key AND e.at <= k.until ORDER BY e.id""",
}
# A former address that somebody else has now is theirs.
_OWN_KEYS = """
    SELECT k FROM unnest(CAST(:keys AS bytea[])) AS k WHERE NOT EXISTS (SELECT FROM subscribers s WHERE s.email_key = k AND s.id <> :id)
"""


def collect(subscriber_id: int) -> dict[str, Any]:
    """All of it, as JSON can hold it; times with their offset, binary values as hexadecimal text."""
    with transaction() as tx:
        tx.execute("SET LOCAL TimeZone = 'UTC'")
        key = bytes(tx.execute("SELECT email_key FROM subscribers WHERE id = :id", id=subscriber_id).scalar_one())
        acts = proving.history(tx, key)
        untils = {act.email_key: act.at.isoformat() for act in acts} | {key: "infinity"}
        own = [bytes(k) for k in tx.execute(_OWN_KEYS, keys=sorted(untils), id=subscriber_id).scalars()]
        of_own = {"keys": own, "untils": [untils[k] for k in own]}
        made_at: str = tx.execute("SELECT to_jsonb(clock_timestamp())").scalar_one()
        issues = _rows(tx, _MAILS_OF_ISSUES, id=subscriber_id)
        found = {
            "made_at": made_at,
            **{name: _rows(tx, sql, **_only(sql, id=subscriber_id, **of_own)) for name, sql in _PARTS.items()},
            "consent_history": [_act(act) for act in acts],
            "issues_sent": issues,
            "events": _rows(
                tx, _EVENTS, issues=[row["issue_id"] for row in issues], deliveries=[row["id"] for row in issues]
            ),
        }
    return found | {"who_else_gets_the_data": _recipients()}


def _rows(tx: Transaction, sql: str, **values: Any) -> list[dict[str, Any]]:
    return list(tx.execute(sql, **values).scalars())


def _only(sql: str, **values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if f":{name}" in sql}


def _act(act: Act) -> dict[str, Any]:
    """`details` and `origin` that were erased say so."""
    row = asdict(act)
    for name, value in row.items():
        if isinstance(value, bytes):
            row[name] = value.hex()
    row["at"] = act.at.isoformat()
    for name in ("details", "origin"):
        row[name] = "erased" if row[name] is None else row[name]
    return row


def _recipients() -> list[dict[str, str]]:
    if current().sandbox:
        return [
            {
                "who": mark("nobody: this is a trial, and its stand-in for the mail provider runs on the same machine"),
                "what": mark("nothing leaves the machine"),
            }
        ]
    return [
        {
            "who": mark("Twilio Inc. (SendGrid), United States, which delivers the mails for us"),
            "what": mark("address, name and other values where a mail contains them, and what becomes of each mail"),
        }
    ]
