"""What readers and SendGrid see of an installation, and what it sees of them, broken in each way that a person meets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.operations import checking
from service.operations.diagnosing import Surroundings
from service.settings import Settings
from tests.answering import Names, answering
from tests.builders import a_newsletter, accepted_mail
from tests.conftest import Sandbox, free_port
from tests.doctor.certificates import Authority, serving
from tests.doctor.looking import around, is_well, looked, told

Sql = Callable[..., list[Any]]
SCOPES = "/v3/scopes"
HOOKS = "/v3/user/webhooks/event/settings/all"
DOMAINS = "/v3/whitelabel/domains"
PUBLIC = "https://letters.firm.test"
HOOK = {"enabled": True, "url": f"{PUBLIC}/webhooks/sendgrid", "public_key": "the-key"} | dict.fromkeys(
    checking.EVENTS, True
)
OURS = b'{"database":"ok","migrations":"current"}'


def real(chosen: Settings, url: str, **changed: Any) -> Surroundings:
    """An installation that sends real mail through the account at this address."""
    given = {"public_url": PUBLIC, "webhook_keys": ("the-key",), "sendgrid_api_key": "SG.canary", "trusted_proxies": 1}
    return around(chosen, sandbox=False, sendgrid_url=url, **(given | changed))


def test_the_public_address_is_well(web: str, database: Settings) -> None:
    is_well(looked("public address", Surroundings(database)))


def test_nobody_listens_at_the_public_address(web: str, database: Settings) -> None:
    where = around(database, public_url=f"http://127.0.0.1:{free_port()}")
    told(looked("public address", where), "fault", "nobody listens there", "look at what stands before it")


def test_the_web_process_does_not_run(database: Settings) -> None:
    where = around(database, public_url=f"http://127.0.0.1:{database.port}")
    told(looked("public address", where), "fault", "is not reachable", "start `broadsheet up`")


def test_the_public_name_is_not_known(web: str, database: Settings) -> None:
    where = around(database, public_url="https://no-such-host.invalid")
    told(looked("public address", where), "fault", "its name is not known", "DNS record")


@pytest.mark.parametrize("status", [400, 421])
def test_the_public_host_is_not_trusted_by_the_proxy(web: str, database: Settings, status: int) -> None:
    with answering({"*": (status, b"Bad Request")}) as url:
        found = looked("public address", around(database, public_url=url))
    told(found, "fault", "does not trust the host", "server_name")
    told(found, "fault", f"answer {status}", "look at what stands before it")


def test_the_public_host_is_not_trusted_by_the_service(database: Settings) -> None:
    with answering({"*": (400, b"Bad Request")}) as url:
        port = int(url.rpartition(":")[2])
        found = looked("public address", around(database, public_url=url, port=port))
    told(found, "fault", "does not trust the host", "add it to the hosts that it trusts")


@pytest.mark.parametrize(
    ("answer", "headers", "text", "remedy"),
    [
        ((200, b"<h1>Welcome to nginx!</h1>"), {}, "something else than Broadsheet", "pass this name on to port"),
        ((502, b"Bad Gateway"), {}, "something else than Broadsheet", "pass this name on to port"),
        ((301, b""), {"Location": "https://www.firm.test/"}, "on to another address", "Set PUBLIC_URL"),
        ((503, b'{"database":"unreachable"}'), {}, "cannot do its work", "“database” and “migrations”"),
    ],
)
def test_the_public_address_is_somebody_elses(
    database: Settings, answer: tuple[int, bytes], headers: dict[str, str], text: str, remedy: str
) -> None:
    with answering({"/readyz": answer}, **headers) as url:
        told(looked("public address", around(database, public_url=url)), "fault", text, remedy)


def test_the_web_process_has_other_migrations_than_the_database(web: str, database: Settings, sql: Sql) -> None:
    ((present,),) = sql("SELECT version_num FROM alembic_version")
    sql("UPDATE alembic_version SET version_num = '0020'")
    try:
        told(looked("public address", Surroundings(database)), "fault", "cannot do its work", "migrations")
    finally:
        sql("UPDATE alembic_version SET version_num = %s", present)


def test_a_public_address_without_tls(database: Settings) -> None:
    found = looked("tls", around(database, public_url="http://letters.firm.test"))
    told(found, "fault", "not encrypted", "set PUBLIC_URL to https")
    is_well(looked("tls", Surroundings(database)))


@contextmanager
def _certified(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "localhost", days: int = 90, by_itself: bool = False
) -> Iterator[str]:
    authority = Authority(folder)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with serving(authority.sign(name, timedelta(days=days), by_itself=by_itself)) as url:
        yield url


@pytest.mark.parametrize(
    ("kind", "level", "text", "remedy"),
    [
        ({"days": -1}, "fault", "has expired", "certbot renew"),
        ({"by_itself": True}, "fault", "signed by nobody but itself", "public authority"),
        ({"name": "other.firm.test"}, "fault", "of another name", "correct PUBLIC_URL"),
        ({"days": 5}, "warning", "expires in 4 days", "Renew it"),
        ({}, "ok", "valid for 89 days", ""),
    ],
)
def test_the_certificate(
    database: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: dict[str, Any],
    level: str,
    text: str,
    remedy: str,
) -> None:
    with _certified(tmp_path, monkeypatch, **kind) as url:
        told(looked("tls", around(database, public_url=url)), level, text, remedy)
        assert looked("public address", around(database, public_url=url))[0].level == "ok", "it is judged once"


def test_the_certificates_authority_is_not_known(
    database: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _certified(tmp_path, monkeypatch) as url:
        monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path, "Another authority").file))
        told(looked("tls", around(database, public_url=url)), "fault", "without the certificates between", "fullchain")


def test_where_there_is_no_tls_no_certificate_is_seen(database: Settings) -> None:
    with answering({}) as url:
        where = around(database, public_url=url.replace("http:", "https:"))
        told(looked("tls", where), "unknown", "no certificate was seen", "“public address”")
        told(looked("public address", where), "fault", "no TLS connection", "port")


def test_a_sandbox_behind_a_public_address(database: Settings) -> None:
    told(looked("mode", around(database, public_url=PUBLIC)), "fault", "nobody gets any", "unset BROADSHEET_SANDBOX")
    is_well(looked("mode", Surroundings(database)))


def test_a_proxy_that_is_not_trusted(database: Settings) -> None:
    where = real(database, "http://127.0.0.1:1", trusted_proxies=0)
    told(looked("mode", where), "warning", "the reverse proxy's network", "TRUSTED_PROXIES")
    is_well(looked("mode", real(database, "http://127.0.0.1:1")))


@pytest.mark.parametrize(
    ("answer", "level", "text", "remedy"),
    [
        ((401, {}), "fault", "does not know the key", "SENDGRID_API_KEY"),
        ((200, {"scopes": ["stats.read"]}), "fault", "may not send mail", "Mail Send"),
        ((200, {"scopes": ["mail.send", "api_keys.create"]}), "warning", "more than it needs", "restricted access"),
        ((403, {}), "unknown", "may not ask", "right to read it"),
        ((200, {"scopes": ["mail.send"]}), "ok", "may send mail", ""),
    ],
)
def test_the_key(database: Settings, answer: tuple[int, Any], level: str, text: str, remedy: str) -> None:
    with answering({SCOPES: answer}) as url:
        found = looked("sendgrid", real(database, url))
    told(found, level, text, remedy)
    assert "SG.canary" not in repr(found)


def test_sendgrid_cannot_be_reached(database: Settings) -> None:
    where = real(database, f"http://127.0.0.1:{free_port()}")
    told(looked("sendgrid", where), "fault", "cannot reach SendGrid", "firewall")
    trial = around(database, sendgrid_url=f"http://127.0.0.1:{free_port()}")
    told(
        looked("sendgrid", trial),
        "fault",
        "the sandbox, which stands in for SendGrid here, cannot be reached",
        "the sandbox",
    )


def test_there_is_no_key(database: Settings) -> None:
    told(looked("sendgrid", around(database, sendgrid_api_key="")), "fault", "no key", "SENDGRID_API_KEY")


@pytest.mark.parametrize(
    ("hook", "keys", "text", "remedy"),
    [
        (HOOK | {"public_key": ""}, ("the-key",), "another key", "SENDGRID_WEBHOOK_KEYS"),
        (HOOK | {"public_key": "another"}, ("the-key",), "another key", "SENDGRID_WEBHOOK_KEYS"),
        (HOOK, (), "told from forgeries", "Signed Event Webhook"),
        (HOOK | {"enabled": False}, ("the-key",), "turned off", "Turn it on"),
        (HOOK | {"url": "https://old.firm.test/x"}, ("the-key",), "does not send events here", PUBLIC),
    ],
)
def test_the_webhook(database: Settings, hook: dict[str, Any], keys: tuple[str, ...], text: str, remedy: str) -> None:
    with answering({HOOKS: (200, {"webhooks": [hook]})}) as url:
        told(looked("webhook", real(database, url, webhook_keys=keys)), "fault", text, remedy)


def test_the_webhook_is_silent_thoughaccepted_mail(database: Settings, sql: Sql) -> None:
    accepted_mail(sql)
    with answering({HOOKS: (200, {"webhooks": [HOOK]})}) as url:
        told(looked("webhook", real(database, url)), "fault", "no event has come since", "from outside")
        sql("SELECT make_payload_partition(current_date)")
        sql("INSERT INTO payloads (body) VALUES ('[]')")
        is_well(looked("webhook", real(database, url)))


DOMAIN = "firm.test-zone"
RIGHT = {
    (DOMAIN, "TXT"): ["v=spf1 include:sendgrid.net -all"],
    (f"s1._domainkey.{DOMAIN}", "CNAME"): ["x"],
    (f"s2._domainkey.{DOMAIN}", "CNAME"): ["x"],
    (f"_dmarc.{DOMAIN}", "TXT"): ["v=DMARC1; p=reject"],
    (DOMAIN, "MX"): ["10 mx.firm.test-zone"],
}


def _known(valid: bool) -> list[Any]:
    record = {"type": "cname", "host": f"s1._domainkey.{DOMAIN}", "data": "s1.wl", "valid": valid}
    return [{"domain": DOMAIN, "dns": {"dkim1": record}}]


@pytest.mark.parametrize(
    ("known", "lacking", "level", "text", "remedy"),
    [
        (_known(True), None, "ok", "as they should be", ""),
        ([], None, "fault", "may not sign for firm.test-zone", "Authenticate the domain"),
        (_known(False), None, "fault", "not set as SendGrid asks", "DNS"),
        (_known(False), None, "warning", "CNAME s1._domainkey.firm.test-zone is not set", "s1.wl"),
        (_known(True), (DOMAIN, "TXT"), "warning", "no SPF record", ""),
        (_known(True), (f"s2._domainkey.{DOMAIN}", "CNAME"), "warning", "s2._domainkey", ""),
        (_known(True), (f"_dmarc.{DOMAIN}", "TXT"), "warning", "no DMARC record", ""),
    ],
)
def test_a_senders_domain(
    database: Settings, known: list[Any], lacking: Any, level: str, text: str, remedy: str
) -> None:
    a_newsletter(sender_address=f"news@{DOMAIN}")
    with answering({DOMAINS: (200, known)}) as url:
        where = real(database, url)
        where.resolver = Names({place: found for place, found in RIGHT.items() if place != lacking})
        found = looked("domains", where)
    told(found, level, text, remedy)
    assert all(one.remedy for one in found if one.level != "ok")
    assert "news@" not in repr(found)


def test_the_sandboxes_account_is_well(sandbox: Sandbox, web: str, database: Settings) -> None:
    is_well(looked("sendgrid", Surroundings(database)))
    webhook = looked("webhook", Surroundings(database))
    assert {one.level for one in webhook} == {"ok", "unknown"}, "nothing was sent yet"
    assert "the sandbox sends signed events here" in {one.text for one in webhook}, "and not SendGrid"
    assert "the sandbox answers in SendGrid's place" in looked("sendgrid", Surroundings(database))[0].text
