"""Makes newsletters, readers and issues for tests, by the operations that a team uses where there are some."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from service.db import transaction
from service.operations import authoring, newsletter_making
from service.operations.authoring import Source
from service.tokens import email_key

LETTER = '# News of the month\n\nDear {{ first_name | default: "reader" }},\n\nread [our guide](https://www.example.com/guide?a=1&b=2).\n'


def a_newsletter(slug: str = "monthly", **words: Any) -> int:
    """A newsletter whose sender is at a reserved domain."""
    given = {
        "name": "The Monthly",
        "sender_address": "news@sender.example",
        "postal_address": "1 Quay Street, Harbourton",
        **words,
    }
    return newsletter_making.create_newsletter(slug, actor="test", **given)


def readers(
    newsletter_id: int,
    addresses: Sequence[str],
    *,
    tracking: str = "unasked",
    state: str = "active",
    names: Mapping[str, str] | None = None,
) -> list[int]:
    """Subscribers with a subscription each; the subscriptions' ids."""
    rows = [
        {"address": a, "key": email_key(a.lower()).hex(), "first_name": (names or {}).get(a, "")} for a in addresses
    ]
    with transaction() as tx:
        return list(
            tx.execute(
                """WITH given AS (SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x (address text, key text, first_name text)),
                   s AS (
                       INSERT INTO subscribers (address, normalised_address, email_key, first_name)
                       SELECT address, lower(address), decode(key, 'hex'), first_name FROM given RETURNING id
                   )
                   INSERT INTO subscriptions (subscriber_id, newsletter_id, state, tracking) SELECT id, :newsletter, :state, :tracking FROM s ORDER BY id RETURNING id""",
                rows=json.dumps(rows),
                newsletter=newsletter_id,
                state=state,
                tracking=tracking,
            ).scalars()
        )


def people(number: int, domain: str = "readers.example") -> list[str]:
    """Addresses at a reserved domain."""
    return [f"reader{n:05d}@{domain}" for n in range(number)]


def an_issue(newsletter_id: int, markdown: str = LETTER, **words: Any) -> int:
    """A draft issue."""
    return authoring.create_issue(
        Source(markdown, Path("/nonexistent")), newsletter_id=newsletter_id, actor="test", **words
    )[0]


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def accepted_mail(sql: Callable[..., list[Any]]) -> None:
    """A mail that SendGrid accepted two hours ago."""
    newsletter = a_newsletter()
    sql(
        "INSERT INTO issues (newsletter_id, subject, source, content_hash, audience_hash, sender_name, sender_address, tracking_policy, marker)"
        " VALUES (%s, 'x', 'x', 'x', 'x', 'x', 'x', 'none', 'x')",
        newsletter,
    )
    sql(
        "INSERT INTO variants (issue_id, language, subject, preheader, html, text, tags) SELECT id, 'en', 'x', 'x', 'x', 'x', '[]' FROM issues"
    )
    sql("INSERT INTO cohorts (issue_id, variant_id, tracked) SELECT issue_id, id, false FROM variants")
    sql("INSERT INTO batches (issue_id, cohort_id, size) SELECT issue_id, id, 1 FROM cohorts")
    sql(
        "INSERT INTO attempts (id, issue_id, batch_id, number, state, provider, readers, lease_until, claimed_at, recorded_at)"
        " SELECT gen_random_uuid(), issue_id, id, 1, 'accepted', 'x', 1, now(), now(), now() - interval '2 hours' FROM batches"
    )
