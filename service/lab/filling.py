"""Fills an installation with readers, issues and what became of them, by a few statements: for measuring pages at a size that
takes hours to come about. Nothing is sent; what is written is what sending would have left."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from service.lab.readers import DOMAINS, FAMILY, GIVEN
from service.operations import authoring, newsletter_making, newsletter_settings
from service.operations.authoring import Source
from service.settings import Settings

ISSUES = 3
"""Issues that were sent to everybody; more are drafts."""
DRAFTS = 9
BATCH = 1000
LETTER = '# Issue {number}\n\nDear {{{{ first_name | default: "reader" }}}},\n\n[read on](https://www.example.com/{number}).\n\n[And this](https://www.example.com/more).\n'

_SUBSCRIBERS = """
    INSERT INTO subscribers (address, normalised_address, email_key, first_name, last_name, language, attributes, created_at)
    SELECT a, a, substring(sha256(convert_to(a, 'UTF8')) FOR 16), (CAST(%(given)s AS text[]))[1 + n %% CAST(%(g)s AS int)], (CAST(%(family)s AS text[]))[1 + (n / 7) %% CAST(%(f)s AS int)],
        (CAST('{en,en,de,fr}' AS text[]))[1 + n %% 4], CASE WHEN n %% 3 = 0 THEN jsonb_build_object('organisation', 'Firm ' || n %% 997) ELSE '{}' END,
        now() - make_interval(mins => n %% 500000)
    FROM (SELECT n, 'reader' || lpad(n::text, 7, '0') || '@' || (CAST(%(domains)s AS text[]))[1 + n %% CAST(%(d)s AS int)] AS a FROM generate_series(0, CAST(%(readers)s AS int) - 1) n) x
"""
_SUBSCRIPTIONS = """
    INSERT INTO subscriptions (subscriber_id, newsletter_id, state, tracking, created_at)
    SELECT id, CAST(%(newsletter)s AS bigint), CASE WHEN id %% 50 = 0 THEN 'unsubscribed' ELSE 'active' END, 'agreed', created_at FROM subscribers WHERE id %% %(of)s = 0
"""
_WORDING = (
    "INSERT INTO consent_wordings (sha256, wording) VALUES (decode(%(hash)s, 'hex'), %(text)s) ON CONFLICT DO NOTHING"
)
_CONSENT = """
    INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, wording_sha256, details)
    SELECT s.email_key, n.newsletter_id, 'newsletter', 'given', 'form', decode(CAST(%(words)s AS jsonb) ->> s.language, 'hex'), '{}' FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
    WHERE n.newsletter_id = %(newsletter)s ORDER BY s.email_key
"""
_SENT = """
    UPDATE issues SET state = 'sent', provider = 'bench', prepared_at = now() - make_interval(days => CAST(%(ago)s AS int)), sent_at = now() - make_interval(days => CAST(%(ago)s AS int)),
        scheduled_at = now() - make_interval(days => CAST(%(ago)s AS int)), batch_size = %(batch)s, candidates = %(readers)s, excluded_at_freeze = 0 WHERE id = %(issue)s
"""
_COHORT = "INSERT INTO cohorts (issue_id, variant_id, tracked) SELECT issue_id, id, true FROM variants WHERE issue_id = %(issue)s"
_BATCHES = """
    INSERT INTO batches (issue_id, cohort_id, state, size, attempts)
    SELECT CAST(%(issue)s AS bigint), (SELECT id FROM cohorts WHERE issue_id = %(issue)s), 'accepted', least(CAST(%(batch)s AS int), CAST(%(readers)s AS int) - b * CAST(%(batch)s AS int)), 1
    FROM generate_series(0, (CAST(%(readers)s AS int) - 1) / CAST(%(batch)s AS int)) b
"""
_ATTEMPTS = """
    INSERT INTO attempts (id, issue_id, batch_id, number, state, provider, readers, lease_until, claimed_at, recorded_at)
    SELECT gen_random_uuid(), issue_id, id, 1, 'accepted', 'bench', size, now(), now(), now() FROM batches WHERE issue_id = %(issue)s
"""
_DELIVERIES = """
    INSERT INTO deliveries (issue_id, subscriber_id, subscription_id, batch_id, email_key, "values", processed_at, delivered_at, bounced_at, opened_at, clicked_at)
    SELECT CAST(%(issue)s AS bigint), s.id, n.id, CAST(%(first)s AS bigint) + (row_number() OVER (ORDER BY n.id) - 1) / CAST(%(batch)s AS int), s.email_key, v.values, now(),
        CASE WHEN s.id %% 40 <> 0 THEN now() END, CASE WHEN s.id %% 40 = 0 THEN now() END,
        CASE WHEN s.id %% 3 = 0 THEN now() - make_interval(mins => (s.id %% 4000)::int) END, CASE WHEN s.id %% 15 = 0 THEN now() END
    FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id CROSS JOIN LATERAL (
        SELECT array_agg(CASE WHEN t ->> 'field' = 'first_name' THEN s.first_name END ORDER BY o) AS values
        FROM variants, jsonb_array_elements(tags) WITH ORDINALITY e (t, o) WHERE issue_id = %(issue)s
    ) v WHERE n.newsletter_id = %(newsletter)s
"""
_EVENTS = """
    INSERT INTO events (issue_id, key, delivery_id, type, at, url)
    SELECT d.issue_id, hashtextextended(k.type, d.id), d.id, k.type, k.at, CASE WHEN k.type = 'clicked' THEN 'https://www.example.com/more' END
    FROM deliveries d CROSS JOIN LATERAL (VALUES ('delivered', d.delivered_at), ('opened', d.opened_at), ('clicked', d.clicked_at)) k (type, at)
    WHERE d.issue_id = %(issue)s AND k.at IS NOT NULL
"""
_AUDIT = "INSERT INTO audit_entries (actor, action, subject, details) SELECT 'console', 'change', 'reader ' || n, '{}' FROM generate_series(1, CAST(%(n)s AS int)) n"


def fill(chosen: Settings, readers: int, say: Callable[[str], None], *, sent: int = ISSUES) -> dict[str, int]:
    """So many readers of a newsletter, a tenth of them of another; issues that were sent to all of them, and what came back.
    The ids of what was made."""
    letter, other = (
        newsletter_making.create_newsletter(
            slug,
            name=name,
            sender_address=f"{slug}@harbour-lane.example",
            postal_address="Harbour & Lane LLP, 3 Grain Quay, Northmere",
            actor="bench",
        )
        for slug, name in (("benchmark", "Benchmark Letter"), ("other", "Other Letter"))
    )
    newsletter_settings.change("benchmark", actor="bench", has_archive=True, accepts_signups=True)
    people(chosen, readers, letter)
    _run(chosen, _SUBSCRIPTIONS, newsletter=other, of=10)
    say(f"{readers:,} readers")
    _run(chosen, _CONSENT, newsletter=letter, words=json.dumps(_words(chosen, "benchmark")))
    _run(chosen, _AUDIT, n=min(readers, 100_000))
    say("their consent")
    issues = [issue(letter, number) for number in range(sent + DRAFTS)]
    for ago, number in enumerate(issues[:sent], 1):
        _send(chosen, number, letter, readers, ago)
        say(f"issue {number}, and what became of it")
    return {"newsletter": letter, "sent": issues[0], "draft": issues[-1]}


def _words(chosen: Settings, slug: str) -> dict[str, str]:
    """Language → the hash of the words that a form shows in it. They are kept, as a sign-up would have kept them."""
    shown = {language: words["newsletter"] for language, words in newsletter_settings.wordings(slug).items()}
    for one in shown.values():
        _run(chosen, _WORDING, hash=one.sha256, text=one.text)
    return {language: one.sha256 for language, one in shown.items()}


def people(chosen: Settings, readers: int, newsletter_id: int) -> None:
    """So many readers of a newsletter, one in fifty of whom has left."""
    _run(
        chosen,
        _SUBSCRIBERS,
        readers=readers,
        given=list(GIVEN),
        family=list(FAMILY),
        domains=list(DOMAINS),
        g=len(GIVEN),
        f=len(FAMILY),
        d=len(DOMAINS),
    )
    _run(chosen, _SUBSCRIPTIONS, newsletter=newsletter_id, of=1)


def settle(chosen: Settings) -> None:
    """What autovacuum would have done in the hours in which so many readers come."""
    with connected(chosen) as connection:
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE)")


def issue(newsletter_id: int, number: int) -> int:
    """A short draft that greets by first name."""
    return authoring.create_issue(
        Source(LETTER.format(number=number), Path("/nonexistent")), newsletter_id=newsletter_id, actor="bench"
    )[0]


def _send(chosen: Settings, issue: int, newsletter: int, readers: int, ago: int) -> None:
    steps: Sequence[tuple[str, dict[str, Any]]] = (
        (_SENT, {"issue": issue, "ago": ago, "batch": BATCH, "readers": readers}),
        (_COHORT, {"issue": issue}),
        (_BATCHES, {"issue": issue, "batch": BATCH, "readers": readers}),
        (_ATTEMPTS, {"issue": issue}),
    )
    with connected(chosen) as connection:
        # The table of moves lets no draft become sent at once.
        for state in ("scheduled", "preparing", "sending"):
            connection.execute("UPDATE issues SET state = %s WHERE id = %s", (state, issue))
        for statement, given in steps:
            connection.execute(statement, given)
        found = connection.execute("SELECT min(id) FROM batches WHERE issue_id = %s", (issue,)).fetchone()
        connection.execute("SELECT make_event_partition(%s)", (issue,))
    first = found[0] if found else 0
    _run(chosen, _DELIVERIES, issue=issue, newsletter=newsletter, first=first, batch=BATCH)
    _run(chosen, _EVENTS, issue=issue)


def connected(chosen: Settings) -> "psycopg.Connection[Any]":
    """A connection as the tables' owner, for what no operation does."""
    address = make_url(chosen.database_owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address)


def _run(chosen: Settings, statement: str, **given: Any) -> None:
    with connected(chosen) as connection:
        connection.execute(statement, given)
