"""A bad setting stops the start: it is named, with its fault and an example, and no secret is ever told."""

import base64
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from service import settings
from service.errors import Invalid
from service.settings import LIST_UNSUBSCRIBE_BYTES, ROOT, Settings
from service.tokens import Purpose, Signer
from service.variables import VARIABLES, Variable


def _public_key(curve: ec.EllipticCurve) -> str:
    public = ec.generate_private_key(curve).public_key()
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(encoded).decode()


P256 = _public_key(ec.SECP256R1())
GOOD = {
    "BROADSHEET_HOME": "/nonexistent/never-made",
    "DATABASE_URL": "postgresql://broadsheet:hunter2@db.example.com/broadsheet",
    "REDIS_URL": "redis://:hunter2@cache.example.com:6379/0",
    "PUBLIC_URL": "https://news.example.com",
    "SECRET_KEYS": "canary-of-a-secret-key-with-enough-characters",
    "ADDRESS_KEY": "canary-of-an-address-key-with-enough-characters",
    "SENDGRID_API_KEY": "SG.canary.0123456789abcdef",
    "SENDGRID_WEBHOOK_KEYS": P256,
    "OIDC_ISSUER": "https://login.firm.example",
    "OIDC_CLIENT_ID": "broadsheet",
    "OIDC_CLIENT_SECRET": "hunter2",
    "MEDIA_BUCKET": "pictures",
    "MEDIA_ACCESS_KEY_ID": "canary-of-a-media-key",
    "MEDIA_SECRET_ACCESS_KEY": "canary-of-a-media-secret",
}
CANARIES = ("hunter2", "canary")


def _problems(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        settings.load(environ)
    assert [canary for canary in CANARIES if canary in str(caught.value)] == []
    return list(caught.value.problems)


BAD = (
    ("BROADSHEET_HOME", "~nobody-has-this-name/x"),
    ("DATABASE_URL", "mysql://u:hunter2@db.example.com/x"),
    ("DATABASE_URL", "postgresql://u:hunter2@db.example.com:port/x"),
    ("DATABASE_URL", "postgresql://u:hun/ter2canary@db.example.com/x"),
    ("REDIS_URL", "memcached://:hunter2@cache.example.com"),
    ("REDIS_URL", "redis://:hunter2#canary@cache.example.com"),
    ("PUBLIC_URL", "news.example.com"),
    ("PUBLIC_URL", "http://news.example.com"),
    ("PUBLIC_URL", "ftp://news.example.com"),
    ("PUBLIC_URL", "https://news.example.com/letters"),
    ("PUBLIC_URL", "https://news.example.com?"),
    ("PUBLIC_URL", "https://news.example.com?x=1"),
    ("PUBLIC_URL", "https://news.example.com#x"),
    ("PUBLIC_URL", "https://me:hunter2@news.example.com"),
    ("PUBLIC_URL", "https://news.example.com:99999"),
    ("PUBLIC_URL", "https://news.exa\tmple.com"),
    ("PUBLIC_URL", "https://a.example>,<https://b.example"),
    ("PUBLIC_URL", "https://nеws.example.com"),
    ("PUBLIC_URL", "https://"),
    ("PUBLIC_URL", "https://["),
    ("PUBLIC_URL", "https://localhost"),
    ("PUBLIC_URL", "https://LOCALHOST:8000"),
    ("PUBLIC_URL", "https://www.localhost"),
    ("PUBLIC_URL", "https://127.0.0.1"),
    ("PUBLIC_URL", "https://127.1"),
    ("PUBLIC_URL", "https://0x7f000001"),
    ("PUBLIC_URL", "https://2130706433"),
    ("PUBLIC_URL", "https://0.0.0.0"),
    ("PUBLIC_URL", "https://[::1]"),
    ("PUBLIC_URL", "https://[::ffff:127.0.0.1]"),
    ("PUBLIC_URL", "https://[::12345]"),
    ("EPOCH_FILE", "~nobody-of-that-name/epoch.json"),
    ("DESIGNS", "~nobody-of-that-name/designs"),
    ("PORT", "eighty"),
    ("PORT", "0"),
    ("PORT", "65536"),
    ("PORT", "8000.5"),
    ("PORT", "²"),
    ("PORT", "9" * 5000),
    ("LISTEN", "localhost"),
    ("LISTEN", "0.0.0.0:8000"),
    ("TRUSTED_PROXIES", "-1"),
    ("TRUSTED_PROXIES", "10"),
    ("SECRET_KEYS", "canary"),
    ("SECRET_KEYS", f"{GOOD['SECRET_KEYS']},canary"),
    ("SECRET_KEYS", ","),
    ("ADDRESS_KEY", "canary"),
    ("ADDRESS_KEY", "canary-\udcff-canary-canary-canary-canary"),
    ("SENDGRID_API_KEY", "SG.canary and a space"),
    ("SENDGRID_API_KEY", "SG.canаry"),
    ("SENDGRID_API_KEY", "SG.canary\nX-Header: 1"),
    ("SENDGRID_URL", "http://api.sendgrid.com"),
    ("SENDGRID_URL", "https://api.sendgrid.com/v3"),
    ("SENDGRID_URL", "https://["),
    ("SENDGRID_WEBHOOK_KEYS", "no key"),
    ("SENDGRID_WEBHOOK_KEYS", f"{P256},{P256[:-8]}"),
    ("SENDGRID_WEBHOOK_KEYS", _public_key(ec.SECP384R1())),
    ("SENDGRID_BATCH_SIZE", "0"),
    ("SENDGRID_BATCH_SIZE", "1001"),
    ("SENDGRID_SUBSTITUTION_BYTES", "999"),
    ("SENDING_WORKERS", "65"),
    ("METRICS_TOKEN", "canary-too-short"),
    ("DATABASE_OWNER_URL", "mysql://me:hunter2canary@db.example.com/x"),
    ("DATABASE_OWNER_URL", "postgresql://me:hunter2#canary@db.example.com/x"),
    ("SIGNUP_MAILS_PER_HOUR", "0"),
    ("KEEP_UNCONFIRMED_DAYS", "0"),
    ("KEEP_ORIGIN_DAYS", "a month"),
    ("KEEP_PAYLOADS_DAYS", "0"),
    ("KEEP_EVENTS_DAYS", "-1"),
    ("KEEP_DELIVERIES_DAYS", "36501"),
    ("KEEP_CONSENT_DAYS", "5 years"),
    ("BROADSHEET_SANDBOX", "yes"),
    ("SANDBOX_PORT", "none"),
    ("MEDIA_BUCKET", "Pictures of ours"),
    ("MEDIA_ENDPOINT", "http://s3.example.com"),
    ("MEDIA_ENDPOINT", "https://me:hunter2@s3.example.com"),
    ("MEDIA_ENDPOINT", "https://s3.example.com/pictures"),
    ("MEDIA_REGION", "eu central"),
    ("MEDIA_ACCESS_KEY_ID", "canary canary"),
    ("MEDIA_SECRET_ACCESS_KEY", "canary\ncanary"),
    ("OIDC_ISSUER", "http://login.firm.example"),
    ("OIDC_CLIENT_ID", "canary canary"),
    ("OIDC_CLIENT_SECRET", "canary\ncanary"),
    ("OIDC_NAME", "x" * 61),
    ("CHROME", "chromium"),
    ("ALARM_WEBHOOK_URL", "http://hooks.firm.example/x"),
    ("ALARM_WEBHOOK_SECRET", "canary"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
)


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name}={value[:24]!a}" for name, value in BAD])
def test_a_bad_value_is_named_with_an_example(name: str, value: str) -> None:
    problems = _problems({**GOOD, name: value})
    example = next(variable.example for variable in VARIABLES if variable.name == name)
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{name} ")
    assert problems[0].endswith(f" Example: {name}={example}")
    assert "\n" not in problems[0]


def test_every_variable_has_a_bad_value_here() -> None:
    assert {name for name, _ in BAD} == {variable.name for variable in VARIABLES}


def test_the_example_of_every_variable_is_accepted() -> None:
    examples = {variable.name: variable.example for variable in VARIABLES}
    examples["SENDGRID_WEBHOOK_KEYS"] = P256
    examples["BROADSHEET_SANDBOX"] = "0"
    assert settings.load(examples).public_url == "https://news.example.com"


def test_all_faults_are_told_at_once() -> None:
    problems = _problems({**GOOD, "PORT": "x", "LOG_LEVEL": "x", "PUBLIC_URL": "x", "ADDRESS_KEY": "x"})
    assert {problem.split()[0] for problem in problems} == {"PORT", "LOG_LEVEL", "PUBLIC_URL", "ADDRESS_KEY"}


def test_a_good_environment_is_taken_as_it_is() -> None:
    chosen = settings.load(GOOD)
    assert not chosen.sandbox
    assert not chosen.embedded
    assert chosen.database_url == "postgresql+psycopg://broadsheet:hunter2@db.example.com/broadsheet"
    assert chosen.secret_keys == (GOOD["SECRET_KEYS"],)
    assert not Path(GOOD["BROADSHEET_HOME"]).exists()


@pytest.mark.parametrize(
    "name", ["SENDGRID_API_KEY", "PUBLIC_URL", "SECRET_KEYS", "ADDRESS_KEY", "SENDGRID_WEBHOOK_KEYS"]
)
def test_what_real_mail_needs_cannot_be_left_out(name: str) -> None:
    for environ in ({n: v for n, v in GOOD.items() if n != name}, {**GOOD, name: "  "}):
        problems = _problems(environ)
        assert len(problems) == 1, problems
        assert problems[0].startswith(f"{name} is required")


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_one_server_of_ones_own_is_not_enough(name: str) -> None:
    problems = _problems({n: v for n, v in GOOD.items() if n != name})
    assert any(problem.startswith(f"{name} must be set together with") for problem in problems)


def test_without_a_key_ones_own_servers_send_to_nobody_only_when_told_so(tmp_path: Path) -> None:
    environ = {n: v for n, v in GOOD.items() if not n.startswith(("SENDGRID", "PUBLIC"))}
    assert "BROADSHEET_SANDBOX=1" in _problems(environ)[0]
    chosen = settings.load({**environ, "BROADSHEET_SANDBOX": "1", "BROADSHEET_HOME": str(tmp_path)})
    assert chosen.sandbox
    assert chosen.provider.startswith("sandbox#")


def test_the_sandbox_never_gets_the_real_key(tmp_path: Path) -> None:
    chosen = settings.load({**GOOD, "BROADSHEET_SANDBOX": "1", "BROADSHEET_HOME": str(tmp_path)})
    assert chosen.sendgrid_api_key.startswith("SG.sandbox.")
    assert chosen.sendgrid_url == "http://127.0.0.1:8025"


def test_web_and_sandbox_cannot_share_a_port(tmp_path: Path) -> None:
    problems = _problems({"BROADSHEET_HOME": str(tmp_path), "SANDBOX_PORT": "8000"})
    assert problems == ["SANDBOX_PORT must not be the same as PORT. Example: SANDBOX_PORT=8025"]


@pytest.mark.parametrize("variable", [v for v in VARIABLES if v.name in GOOD], ids=lambda v: str(v.name))
def test_a_value_may_come_from_a_file(tmp_path: Path, variable: Variable) -> None:
    file = tmp_path / "value"
    file.write_text(f"{GOOD[variable.name]}\n")
    environ = {n: v for n, v in GOOD.items() if n != variable.name}
    assert settings.load({**environ, f"{variable.name}_FILE": str(file)}) == settings.load(GOOD)


def test_a_file_that_holds_no_value_stops_the_start(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text(" \n")
    binary.write_bytes(b"canary\xff")
    for path in (empty, binary, tmp_path / "gone", tmp_path):
        problems = _problems({"DATABASE_URL_FILE": str(path), "BROADSHEET_HOME": str(tmp_path / "home")})
        assert problems[0].startswith("DATABASE_URL_FILE "), problems
    assert not (tmp_path / "home").exists()
    assert _problems({**GOOD, "ADDRESS_KEY_FILE": str(empty)})[0] == (
        "ADDRESS_KEY and ADDRESS_KEY_FILE are both set. Keep one of them."
    )


def test_a_public_url_that_is_too_long_says_by_how_much() -> None:
    longest = LIST_UNSUBSCRIBE_BYTES - settings.TOKEN_LENGTH - len("<https:///u/>")
    host = f"{'n' * (longest - len('.example.com'))}.example.com"
    assert settings.load({**GOOD, "PUBLIC_URL": f"https://{host}/"}).public_url == f"https://{host}"
    assert "is 3 characters too long" in _problems({**GOOD, "PUBLIC_URL": f"https://nnn{host}"})[0]


hosts = st.one_of(
    st.from_regex(r"[a-zA-Z0-9.-]{1,60}(:[0-9]{0,5})?", fullmatch=True),
    st.text(max_size=45),
    st.from_regex(r"([a-z0-9-]{1,12}\.){1,5}[a-z]{2,8}", fullmatch=True),
)


@given(hosts)
def test_the_leave_header_of_any_accepted_host_fits_and_is_one_address(host: str) -> None:
    try:
        chosen = settings.load({**GOOD, "PUBLIC_URL": f"https://{host}"})
    except Invalid:
        assert all(
            problem.startswith("PUBLIC_URL ") for problem in _problems({**GOOD, "PUBLIC_URL": f"https://{host}"})
        )
        return
    before = settings._current
    settings.configure(chosen)
    try:
        header = f"<{chosen.public_url}/u/{Signer(Purpose.LEAVE).sign(2**48 - 1)}>"
    finally:
        settings._current = before
    assert len(header.encode()) <= LIST_UNSUBSCRIBE_BYTES
    assert re.fullmatch(r"<https://[A-Za-z0-9.-]+(:[0-9]+)?/u/[\w-]{31}>", header), header


def test_nothing_secret_is_in_the_settings_own_words() -> None:
    chosen = settings.load(GOOD)
    for text in (repr(chosen), str(chosen), f"{chosen}", chosen.provider):
        assert [canary for canary in CANARIES if canary in text] == []


@pytest.mark.parametrize("name", ["MEDIA_BUCKET", "MEDIA_ACCESS_KEY_ID", "MEDIA_SECRET_ACCESS_KEY"])
def test_half_a_bucket_is_refused(name: str) -> None:
    [problem] = _problems({**GOOD, name: ""})
    assert problem.startswith(f"{name} is ")


def test_a_bucket_reaches_the_processes_of_the_service() -> None:
    chosen = settings.load({**GOOD, "MEDIA_ENDPOINT": "https://s3.example.com", "MEDIA_REGION": "eu-west-3"})
    assert settings.load({**GOOD, **chosen.to_environ()}).bucket == chosen.bucket
    assert chosen.bucket
    assert (chosen.bucket.endpoint, chosen.bucket.region) == ("https://s3.example.com", "eu-west-3")


def test_keys_that_an_installation_makes_are_its_owners_alone_and_stay(tmp_path: Path) -> None:
    environ = {"BROADSHEET_HOME": str(tmp_path / "home")}
    first, second = settings.load(environ), settings.load(environ)
    assert _secrets(first) == _secrets(second)
    assert len({*first.secret_keys, first.address_key.decode(), first.sendgrid_api_key}) == 3
    files = list((tmp_path / "home").iterdir())
    assert {path.name for path in files} == {"secrets.json", "sandbox_webhook.pem"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    other = settings.load({"BROADSHEET_HOME": str(tmp_path / "other")})
    assert not set(_secrets(first)) & set(_secrets(other))


def _secrets(chosen: Settings) -> tuple[Any, ...]:
    return (*chosen.secret_keys, chosen.address_key, chosen.sendgrid_api_key, *chosen.webhook_keys)


def test_given_keys_come_before_made_ones(tmp_path: Path) -> None:
    environ = {n: GOOD[n] for n in ("SECRET_KEYS", "ADDRESS_KEY")} | {"BROADSHEET_HOME": str(tmp_path)}
    chosen = settings.load(environ)
    assert (chosen.secret_keys, chosen.address_key.decode()) == ((GOOD["SECRET_KEYS"],), GOOD["ADDRESS_KEY"])


@pytest.mark.parametrize("name", ["secrets.json", "sandbox_webhook.pem"])
@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"secret_keys": '])
def test_damaged_keys_are_named_and_left_as_they_are(tmp_path: Path, name: str, content: str) -> None:
    settings.load({"BROADSHEET_HOME": str(tmp_path)})
    (tmp_path / name).write_text(content)
    problems = _problems({"BROADSHEET_HOME": str(tmp_path)})
    assert problems[0].startswith(f"{tmp_path / name} is damaged. Put it back from a backup")
    assert (tmp_path / name).read_text() == content


def test_a_home_that_cannot_be_made_is_a_fault_of_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/broadsheet")):
        problems = _problems({"BROADSHEET_HOME": str(home)})
        assert len(problems) == 1
        assert problems[0].startswith("BROADSHEET_HOME: ")


FIRST_START = """
import json, sys
from service import settings
sys.stdin.readline()
found = settings.load()
print(json.dumps([*found.secret_keys, found.address_key.decode(), found.sendgrid_api_key, *found.webhook_keys]))
"""


def test_processes_that_start_first_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "BROADSHEET_HOME": str(tmp_path / "home")}
    several = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_START], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in several:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    told = {json.dumps(json.loads(process.communicate(timeout=60)[0])) for process in several}
    assert len(told) == 1
    assert [process.returncode for process in several] == [0] * 6
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["sandbox_webhook.pem", "secrets.json"]


@pytest.mark.parametrize(
    "more", [{}, {"BROADSHEET_SANDBOX": "1"}, {"PORT": "9001", "LOG_FORMAT": "json", "SENDING_WORKERS": "9"}]
)
def test_a_child_reads_exactly_its_parents_settings(tmp_path: Path, more: dict[str, str]) -> None:
    real = settings.load({**GOOD, "BROADSHEET_HOME": str(tmp_path), **more})
    assert settings.load(real.to_environ()) == real
    own = settings.load({"BROADSHEET_HOME": str(tmp_path / "own"), **more}).connected(
        "postgresql+psycopg:///x", "redis://127.0.0.1:1/0", "postgresql+psycopg:///x"
    )
    assert settings.load(own.to_environ()) == own


@pytest.mark.parametrize("name", ["SENDGRID_URL", "SENDGRID_WEBHOOK_KEYS", "PUBLIC_URL"])
def test_what_only_real_mail_needs_without_a_key_is_no_silent_sandbox(tmp_path: Path, name: str) -> None:
    environ = {name: GOOD.get(name, "https://api.eu.sendgrid.com"), "BROADSHEET_HOME": str(tmp_path)}
    assert f"SENDGRID_API_KEY is missing although {name} is set" in _problems(environ)[0]
    assert settings.load({**environ, "BROADSHEET_SANDBOX": "1"}).sandbox
