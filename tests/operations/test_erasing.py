"""Erasure: nothing of the person is left in any column, the evidence and the ledgers stay whole, and nobody is mailed again
who did not ask for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service import seals
from service.db import transaction
from service.errors import Invalid, NotFound
from service.operations import certificates, digesting, erasing, erasing_again, proving
from service.operations.consenting import agree
from service.settings import Settings
from service.tokens import email_key
from tests.builders import a_newsletter, readers

Sql = Callable[..., list[Any]]
ADDRESS = "Canary.Person@readers.example"
KEY_OF = ADDRESS.lower()


def erase(subscriber_id: int) -> erasing.Certificate:
    with transaction() as tx:
        return erasing.erase(tx, subscriber_id, method="preferences")


@pytest.fixture
def reader(database: Settings, sql: Sql) -> int:
    """A reader with a consent of each purpose, a name, attributes, and a trace in every table that knows readers."""
    newsletter = a_newsletter()
    readers(newsletter, [ADDRESS], tracking="agreed", names={ADDRESS: "Canarygiven"})
    sql("UPDATE subscribers SET last_name = 'Canarylast', attributes = '{\"office\": \"Canaryoffice\"}'")
    sql("UPDATE subscriptions SET export_consent = 'agreed'")
    with transaction() as tx:
        for purpose in ("newsletter", "tracking", "export"):
            agree(
                tx,
                email_key=email_key(KEY_OF),
                newsletter_id=newsletter,
                purpose=purpose,
                method="form",
                wording_sha256=None,
                details={"form": "page", "network": "198.51.100.0/24", "user_agent": "Canarybrowser"},
            )
    found: int = sql("SELECT id FROM subscribers")[0][0]
    return found


def test_whoever_is_erased_is_gone_and_their_acts_end_with_withdrawals(reader: int, sql: Sql) -> None:
    erase(reader)
    assert sql("SELECT count(*) FROM subscribers") == [(0,)]
    assert sql("SELECT kind, source FROM suppressions") == [("left-all", "erasure")]
    with transaction() as tx:
        acts = proving.history(tx, email_key(KEY_OF))
    assert [(act.purpose, act.action, act.method) for act in acts[-3:]] == [
        ("tracking", "withdrawn", "erasure"),
        ("export", "withdrawn", "erasure"),
        ("newsletter", "withdrawn", "erasure"),
    ]
    assert all(act.details is None and act.origin is None for act in acts[:-3])


def test_the_certificate_is_sealed_kept_and_names_nobody(reader: int, sql: Sql) -> None:
    certificate = erase(reader)
    assert sql("SELECT certificate, signature FROM erasures") == [(certificate.text, certificate.signature)]
    assert seals.check(certificate.text.encode(), certificate.signature)
    assert not seals.check(
        certificate.text.replace('"subscribers": 1', '"subscribers": 2').encode(), certificate.signature
    )
    assert "canary" not in certificate.text.lower()
    assert certificate.body["removed"]["consent_details"] == 12
    assert certificate.body["asked_for_by"] == "preferences"


def test_nobody_is_erased_twice(reader: int) -> None:
    erase(reader)
    with pytest.raises(NotFound):
        erase(reader)


def test_an_operator_says_why_and_types_an_address(reader: int, sql: Sql) -> None:
    with pytest.raises(Invalid, match="Say why"):
        erasing.erase_address(ADDRESS, reason=" ", actor="test")
    with pytest.raises(Invalid):
        erasing.erase_address("no address", reason="asked", actor="test")
    with pytest.raises(NotFound, match="Look at the spelling"):
        erasing.erase_address("other@readers.example", reason="asked", actor="test")
    certificate = erasing.erase_address(f" {ADDRESS.upper()} ", reason="asked by letter", actor="test")
    entry = sql("SELECT actor, action, subject, details FROM audit_entries WHERE action = 'erase'")
    assert entry == [("test", "erase", f"erasure {certificate.number}", {"reason": "asked by letter"})]
    assert "canary" not in json.dumps(entry).lower()


def test_who_signed_up_and_never_confirmed_is_erased_too(database: Settings, sql: Sql) -> None:
    a_newsletter()
    sql(
        """INSERT INTO signups (state, address, normalised_address, email_key, language, choices, form, network, user_agent)
           VALUES ('asked', %s, %s, %s, 'en', '[]', 'page', '192.0.2.0/24', 'Firefox')""",
        ADDRESS,
        KEY_OF,
        email_key(KEY_OF),
    )
    certificate = erasing.erase_address(ADDRESS, reason="asked by letter", actor="test")
    assert certificate.body["removed"] == {"mails": 0, "signups": 1, "link_requests": 0}
    assert sql("SELECT count(*) FROM signups") == [(0,)]
    assert sql("SELECT kind, source FROM suppressions") == [("left-all", "erasure")]
    with pytest.raises(NotFound):
        erasing.erase_address(ADDRESS, reason="asked again", actor="test")


def test_whom_a_restored_backup_brings_back_is_erased_again_by_the_certificate(
    reader: int, sql: Sql, other_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    other_settings(home=tmp_path)
    erase(reader)
    digesting.make_digest()
    (kept,) = certificates.folder().glob("*.json")
    assert "canary" not in kept.read_text().lower()
    (newsletter,) = sql("SELECT id FROM newsletters")[0]
    readers(newsletter, [ADDRESS, "other@readers.example"])
    sql("UPDATE subscribers SET created_at = created_at - interval '1 year'")
    assert erasing_again.erase_again(actor="test") == (1, 1)
    assert sql("SELECT address FROM subscribers") == [("other@readers.example",)]
    assert erasing_again.erase_again(actor="test") == (1, 0)

    readers(newsletter, [ADDRESS])
    assert erasing_again.erase_again(actor="test") == (1, 0), "they have come back by themselves"
    kept.write_text(kept.read_text().replace("keyed_hash", "other_hash"))
    with pytest.raises(Invalid, match="does not match"):
        erasing_again.erase_again(actor="test")
