"""A reader, a colleague and a program that are known by words of their own go through everything, and through what fails; then these
words are looked for in all that was logged, answered with an error, queued and, where they are secrets, kept in the database."""

import base64
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis

from service import embedded
from service.clients import postgresql
from service.running import bundled_programs
from tests.backup.conftest import Home
from tests.cli.conftest import LETTER
from tests.conftest import Sandbox
from tests.team import PASSWORD
from tests.web.browsing import Person
from tests.web.signups import Visitor, boxes, ticket

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ADDRESS = "quokka.wren@canary.example"
LATER = "numbat.wren@canary.example"
NAME = "Tamarinda"
KEYS = {
    "SECRET_KEYS": "canary-of-links-0123456789-abcdefghijkl",
    "ADDRESS_KEY": "canary-of-addresses-0123456789-abcdefgh",
    "METRICS_TOKEN": "canary-of-metrics-0123456789-abcdefghij",
    "ALARM_WEBHOOK_URL": "https://127.0.0.1:9/canary-hook",
    "ALARM_WEBHOOK_SECRET": "canary-of-alarms-0123456789-abcdefghijk",
    "OIDC_ISSUER": "http://127.0.0.1:9",
    "OIDC_CLIENT_ID": "broadsheet",
    "OIDC_CLIENT_SECRET": "canary-of-single-sign-on-0123456789",
}
PERSONAL = ("quokka", "numbat", "canary.example", NAME)
FIELDS = '[{"name": "first_name"}]'
BROKEN = json.dumps([{ADDRESS: NAME}])
_PLACES = {"https://127.0.0.1:9/canary-hook", "http://127.0.0.1:9", "broadsheet"}


class Trail:
    """What the canaries were given on their way, and what they saw of errors."""

    def __init__(self, home: Home, sandbox: Sandbox) -> None:
        self.home, self.sandbox = home, sandbox
        self.site = f"http://127.0.0.1:{home.run.environ['PORT']}"
        self.secrets = {one for one in KEYS.values() if one not in _PLACES}
        self.errors: list[str] = []
        self.reader = Visitor(self.site)

    def ask(self, method: str, path: str, *fields: tuple[str, str], status: int | None = None) -> str:
        """An answer to the reader; an error's is kept."""
        found, text, headers = self.reader.send(path, fields) if method == "POST" else self.reader.get(path)
        self.note(found, text + str(headers))
        assert found == status or (status is None and found < 400), (path, found, text)
        return text

    def note(self, status: int, text: str) -> None:
        if status >= 400:
            self.errors.append(text)

    def mailed(self, to: str, sign: str) -> str:
        """The token of the link that a mail to this address brings."""
        found = wait_for(
            lambda: re.findall(rf"/{sign}/([\w-]+)", "".join(one["text"] for one in self.sandbox.messages(to)))
        )
        self.secrets.add(found[0])
        return str(found[0])

    def sql(self, statement: str, *values: object) -> list[Any]:
        servers = embedded.noted(self.home.home)
        assert servers is not None
        with psycopg.connect(postgresql.conninfo(servers.owner_url), autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def written(self) -> str:
        """All lines of all processes so far."""
        files = [*self.home.folder.glob("*.log"), *(self.home.home / "log").iterdir()]
        return "\n".join(one.read_text(errors="replace") for one in files)


def wait_for(found: Callable[[], Any], seconds: float = 30) -> Any:
    ends = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.1)
    return value


def sign_up(trail: Trail, address: str, status: int | None = None) -> None:
    page = trail.ask("GET", "/n/monthly")
    time.sleep(2.2)  # nobody fills a form in faster
    given = [("newsletter", value) for value in boxes(page, "newsletter")]
    trail.ask(
        "POST", "/subscribe", ("form", ticket(page)), ("address", address), ("first_name", NAME), *given, status=status
    )


def come_and_go(trail: Trail) -> None:
    """Sign up, confirm, be at one's page, ask for another address."""
    sign_up(trail, ADDRESS)
    trail.ask("POST", f"/c/{trail.mailed(ADDRESS, 'c')}")
    trail.ask("POST", "/manage", ("address", ADDRESS))
    trail.ask("POST", f"/m/{trail.mailed(ADDRESS, 'm')}")
    page = trail.ask("GET", "/preferences/address")
    trail.ask("POST", "/preferences/address", ("form", ticket(page)), ("address", LATER))
    trail.mailed(ADDRESS, "a")
    trail.secrets |= set(trail.reader.cookies.values())


def get_an_issue_that_bounces(trail: Trail) -> str:
    letter = trail.home.folder / "canary.md"
    letter.write_text(LETTER)
    made = trail.home.run("issue", "create", letter, "--newsletter", "monthly", "--json").succeeded()
    trail.sandbox.script(events={"enabled": True, "delay_ms": 0, "bounce_addresses": [ADDRESS]})
    trail.home.run("issue", "send", made.json["issue"]["id"], "--wait").succeeded()
    wait_for(lambda: trail.sql("SELECT kind FROM suppressions WHERE kind = 'hard-bounce'"))
    (mail,) = [one for one in trail.sandbox.messages(ADDRESS) if "List-Unsubscribe-Post" in one["headers"]]
    found = re.search(r"/u/([\w-]+)>", mail["headers"]["List-Unsubscribe"])
    assert found
    trail.secrets.add(found[1])
    return found[1]


def work_as_the_team(trail: Trail) -> Person:
    """A colleague, and a program with a key."""
    made = trail.home.run("operator", "create", LATER, "--name", "Ada", "--json").succeeded().json
    person = Person()
    page = person.get(made["link"])
    person.press(page, made["link"].rpartition("/")[2], password=PASSWORD)
    key = trail.home.run("key", "create", "canary", "--role", "editor", "--json").succeeded().json["key"]
    trail.secrets |= {PASSWORD, key, made["link"].rpartition("/")[2]}
    trail.secrets |= {str(cookie.value) for cookie in person.cookies}
    body = json.dumps({"words": ADDRESS}).encode()
    for bearer in (key, key[:-1] + "x"):
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{trail.site}/api/v1/readers/find", data=body, headers=headers)
        try:
            urllib.request.urlopen(request, timeout=20).close()
        except urllib.error.HTTPError as error:
            trail.note(error.code, error.read().decode())
    trail.note(422, Person().get(f"{trail.site}/admin/single-sign-on").text)
    return person


def meet_errors(trail: Trail, leave: str, person: Person) -> None:
    """What is broken on purpose: a row that no page can read, a table that is away."""
    page = trail.ask("GET", "/n/monthly")
    time.sleep(2.2)
    trail.sql("UPDATE newsletters SET signup_fields = %s::jsonb, time_zone = %s", BROKEN, LATER)
    trail.ask("GET", "/n/monthly", status=500)
    given = [("newsletter", value) for value in boxes(page, "newsletter")]
    trail.ask(
        "POST", "/subscribe", ("form", ticket(page)), ("address", ADDRESS), ("first_name", NAME), *given, status=500
    )
    trail.ask("POST", f"/u/{leave}/pause", ("until", "2030-01-01"), status=500)
    for place in ("newsletters/monthly", "readers"):
        answer = person.get(f"{trail.site}/admin/{place}")
        trail.note(answer.status, answer.text)
    trail.sql("UPDATE newsletters SET signup_fields = %s::jsonb, time_zone = 'UTC'", FIELDS)
    trail.sql("ALTER TABLE mails RENAME TO mails_away")
    sign_up(trail, LATER)
    wait_for(lambda: "UndefinedTable" in trail.written())
    trail.sql("ALTER TABLE mails_away RENAME TO mails")
    trail.sql("ALTER TABLE subscriptions RENAME TO subscriptions_away")
    trail.ask("GET", f"/u/{leave}", status=503)
    trail.sql("ALTER TABLE subscriptions_away RENAME TO subscriptions")
    body = json.dumps([{"event": "bounce", "email": ADDRESS}]).encode()
    trail.reader.ask("POST", "/webhooks/sendgrid", body, Content_Type="application/json")


def forms_of(secret: str) -> Iterator[str]:
    """The ways in which it might be written down."""
    yield secret
    yield secret.encode().hex()
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")


def dumped(home: Home) -> str:
    """The whole database, as pg_dump writes it."""
    servers = embedded.noted(home.home)
    assert servers is not None
    program = postgresql.programs(servers.owner_url, bundled_programs()).dump
    where = postgresql.conninfo(servers.owner_url)
    return subprocess.run([program, f"--dbname={where}"], capture_output=True, text=True, check=True).stdout


def queued(home: Home) -> str:
    servers = embedded.noted(home.home)
    assert servers is not None
    client = redis.Redis.from_url(servers.redis_url)
    return "".join(f"{key!r} {client.dump(key)!r}\n" for key in client.scan_iter())


def own_secrets(home: Home) -> set[str]:
    """Those that the installation has made for itself."""
    kept: dict[str, str] = json.loads((home.home / "secrets.json").read_text())
    pem = (home.home / "sandbox_webhook.pem").read_text().splitlines()
    return {one for value in kept.values() for one in value.split(",")} | {pem[1]}


@pytest.mark.parametrize("form", [pytest.param("text", marks=pytest.mark.long), "json"])
def test_nothing_of_a_person_or_a_key_is_logged_shown_with_an_error_or_kept_in_the_clear(home: Home, form: str) -> None:
    home.run.environ.update(KEYS, LOG_FORMAT=form, LOG_LEVEL="debug")
    create = ("newsletter", "create", "monthly", "--name", "Monthly", "--from", "news@sender.example")
    home.run(*create, "--postal-address", "1 Quay Street").succeeded()
    with home.up() as sandbox:
        trail = Trail(home, sandbox)
        trail.sql("UPDATE newsletters SET signup_fields = %s::jsonb", FIELDS)
        come_and_go(trail)
        meet_errors(trail, get_an_issue_that_bounces(trail), work_as_the_team(trail))
        secrets = trail.secrets | own_secrets(home)
        kept, waiting = dumped(home), queued(home)
    written = trail.written()
    assert written.count("Traceback") >= 3, "else nothing failed"
    assert len(trail.errors) >= 7
    assert ADDRESS in kept, "else nothing was kept"
    for what, text in (("a log", written), ("an error's page", "".join(trail.errors)), ("the queue", waiting)):
        found = [one for one in (*PERSONAL, *secrets) if one.lower() in text.lower()]
        assert found == [], f"{what} holds {found}"
    assert [one for one in secrets for written_as in forms_of(one) if written_as in kept] == []
