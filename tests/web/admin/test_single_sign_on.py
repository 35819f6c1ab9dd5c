"""Single sign-on against a provider that speaks OpenID Connect over HTTP: who is in the team comes in, by what the provider signed for
us, now, and in answer to what we asked; nobody else, by nothing else."""

import base64
import hashlib
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pyotp
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from service.clients import identity_provider
from service.clients.identity_provider import FAILURE_KEPT, KEPT, KEYS_KEPT, MOST_BYTES, NotVouched, Published
from service.errors import Invalid
from service.oidc import Provider
from service.operations import second_step, signing_in
from service.settings import load
from tests.team import an_operator
from tests.web.browsing import Page, Person

Sql = Callable[..., list[Any]]
ADA = "ada@team.example"
SECRET = "a-secret-of-the-client"


class Idp:
    """The organisation's provider. `says`: what it claims; `signs`: with which key; `saw`: what it was sent."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.signs: Any = self.key
        self.algorithm = "RS256"
        self.says: dict[str, Any] = {}
        self.saw: dict[str, str] = {}
        self.describes: dict[str, str] = {}
        self.challenge = self.nonce = ""
        self.asked: list[str] = []
        self.kid = "one"
        self.now = 1000.0
        self.is_down = False
        self.whole = b""
        idp = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                idp.asked.append(self.path)
                if idp.is_down:
                    self.send_error(503)
                elif self.path.endswith("openid-configuration"):
                    places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
                    self._answer(
                        {
                            "issuer": idp.url,
                            **{name: f"{idp.url}/{path}" for name, path in places.items()},
                            **idp.describes,
                        }
                    )
                else:
                    self._answer({"keys": [idp.key.as_dict(private=False)]})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                idp.saw = dict(urllib.parse.parse_qsl(body)) | {"authorization": self.headers["Authorization"]}
                self._answer({"id_token": idp.token()})

            def _answer(self, found: Any) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(idp.whole or json.dumps(found).encode())

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def token(self) -> str:
        claims = {
            "iss": self.url,
            "aud": "broadsheet",
            "sub": "1",
            "exp": int(time.time()) + 300,
            "nonce": self.nonce,
            "email": ADA,
            "email_verified": True,
        } | self.says
        given = {name: value for name, value in claims.items() if value is not None}
        if self.algorithm == "none":
            head, body = (
                base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode()
                for one in ({"alg": "none"}, given)
            )
            return f"{head}.{body}."
        return jwt.encode({"alg": self.algorithm, "kid": self.kid}, given, self.signs, algorithms=[self.algorithm])


@pytest.fixture
def idp(web: str, other_settings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Idp]:
    made = Idp()
    monkeypatch.setattr(identity_provider, "_published", Published(lambda: made.now))
    other_settings(oidc=Provider(made.url, "broadsheet", SECRET, "the firm's account"))
    yield made
    made.server.shutdown()
    made.server.server_close()


def there(web: str, person: Person, idp: Idp, to: str = "") -> dict[str, str]:
    """Begin, and come to the provider: what it was asked."""
    page = person.get(f"{web}/admin/sign-in")
    (link,) = page.tree.xpath('//a[contains(., "the firm\'s account")]/@href')
    where = person.sent_to(web + link + (f"?next={to}" if to else ""))
    assert where.startswith(f"{idp.url}/authorize?")
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(where).query))
    idp.nonce, idp.challenge = asked["nonce"], asked["code_challenge"]
    return asked


def back(web: str, person: Person, state: str) -> Page:
    page = person.get(f"{web}/admin/single-sign-on/back?{urllib.parse.urlencode({'code': 'the-code', 'state': state})}")
    return person.press(page, "/single-sign-on/back")


def test_who_is_in_the_team_comes_in(web: str, idp: Idp, sql: Sql) -> None:
    an_operator(address=ADA)
    person = Person()
    asked = there(web, person, idp, "/admin/issues")
    assert (asked["client_id"], asked["response_type"], asked["scope"]) == ("broadsheet", "code", "openid email")
    assert person.get(f"{web}/admin/single-sign-on/back?code=x&state={asked['state']}").status == 200
    assert sql("SELECT count(*) FROM operator_sessions") == [(0,)], "looking signs nobody in"
    home = back(web, person, asked["state"])
    assert home.url == f"{web}/admin/issues"
    verifier = idp.saw["code_verifier"]
    assert base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode() == idp.challenge
    assert base64.b64decode(idp.saw["authorization"].removeprefix("Basic ")).decode() == f"broadsheet:{SECRET}"
    assert "single sign-on" in str(sql("SELECT details FROM audit_entries WHERE action = 'sign in'"))


@pytest.mark.parametrize(
    "says",
    [
        {"email": "eve@elsewhere.example"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"aud": "another"},
        {"aud": ["broadsheet", "another"]},
        {"iss": "https://evil.example"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
    ],
)
def test_what_the_provider_does_not_say_of_them_lets_nobody_in(
    web: str, idp: Idp, sql: Sql, says: dict[str, Any]
) -> None:
    an_operator(address=ADA)
    person = Person()
    state = there(web, person, idp)["state"]
    idp.says = says
    refused = back(web, person, state)
    assert (refused.status, "could not be signed in that way" in refused.said) == (422, True)
    assert sql("SELECT count(*) FROM operator_sessions") == [(0,)]


def test_what_the_provider_did_not_sign_lets_nobody_in(web: str, idp: Idp, sql: Sql) -> None:
    an_operator(address=ADA)
    public = json.dumps(idp.key.as_dict(private=False)).encode()
    for signs, algorithm in (
        (RSAKey.generate_key(2048, {"kid": "one"}), "RS256"),
        (None, "none"),
        (OctKey.import_key(public), "HS256"),
    ):
        person = Person()
        state = there(web, person, idp)["state"]
        idp.signs, idp.algorithm = signs, algorithm
        assert back(web, person, state).status == 422, algorithm
    assert sql("SELECT count(*) FROM operator_sessions") == [(0,)]


def test_an_answer_that_was_not_asked_for_lets_nobody_in(web: str, idp: Idp, sql: Sql) -> None:
    an_operator(address=ADA)
    person, other = Person(), Person()
    state = there(web, person, idp)["state"]
    assert back(web, other, state).status == 422, "begun in another browser"
    assert back(web, person, "another").status == 422
    assert "did not let you in" in person.get(f"{web}/admin/single-sign-on/back?error=access_denied").said
    assert sql("SELECT count(*) FROM operator_sessions") == [(0,)]


def test_the_second_step_and_being_shut_out_hold_here_too(web: str, idp: Idp, sql: Sql) -> None:
    who = an_operator(address=ADA)
    secret = second_step.propose(ADA).secret
    second_step.turn_on(who, secret=secret, code=pyotp.TOTP(secret).now(), actor="test")
    person = Person()
    assert back(web, person, there(web, person, idp)["state"]).url == f"{web}/admin/second-step"
    sql("UPDATE operators SET disabled_at = now()")
    person = Person()
    assert back(web, person, there(web, person, idp)["state"]).status == 422


@pytest.mark.parametrize(
    "describes",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "http://127.0.0.1.evil.example/"},
    ],
)
def test_a_provider_that_describes_itself_otherwise_is_not_asked(web: str, idp: Idp, describes: dict[str, str]) -> None:
    an_operator(address=ADA)
    idp.describes = describes
    page = Person().get(f"{web}/admin/single-sign-on")
    assert (page.status, "cannot be reached" in page.said) == (422, True)


def test_without_a_provider_there_is_none(web: str) -> None:
    an_operator(address=ADA)
    person = Person()
    assert "single sign-on" not in person.get(f"{web}/admin/sign-in").said
    assert person.get(f"{web}/admin/single-sign-on").status == 404


@pytest.mark.parametrize(
    "environ",
    [
        {"OIDC_ISSUER": "https://login.firm.example"},
        {"OIDC_ISSUER": "http://login.firm.example", "OIDC_CLIENT_ID": "x", "OIDC_CLIENT_SECRET": "y"},
        {"OIDC_NAME": "x"},
    ],
)
def test_half_a_setting_is_refused(tmp_path: Any, environ: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="OIDC_"):
        load({"BROADSHEET_HOME": str(tmp_path), **environ})


DESCRIPTION = "/.well-known/openid-configuration"


def test_what_the_provider_publishes_is_asked_for_once_in_a_while(web: str, idp: Idp) -> None:
    an_operator(address=ADA)
    for _ in range(4):
        person = Person()
        assert back(web, person, there(web, person, idp)["state"]).url == f"{web}/admin/"
    assert idp.asked == [DESCRIPTION, "/keys"]
    idp.now += KEPT
    person = Person()
    assert back(web, person, there(web, person, idp)["state"]).url == f"{web}/admin/"
    assert idp.asked == [DESCRIPTION, "/keys"] * 2


@pytest.mark.parametrize("kid", ["two", "one"], ids=["of another name", "of the same name"])
def test_a_new_key_is_fetched_when_it_is_needed_and_not_more_than_once_a_minute(web: str, idp: Idp, kid: str) -> None:
    an_operator(address=ADA)

    def enter() -> int:
        person = Person()
        return back(web, person, there(web, person, idp)["state"]).status

    assert enter() == 200
    idp.key = idp.signs = RSAKey.generate_key(2048, {"kid": kid})
    idp.kid = kid
    assert enter() == 422
    assert idp.asked.count("/keys") == 1
    idp.now += KEYS_KEPT
    assert enter() == 200
    idp.signs, idp.kid = RSAKey.generate_key(2048, {"kid": "nobody's"}), "nobody's"
    idp.now += KEYS_KEPT / 2
    assert [enter() for _ in range(3)] == [422] * 3
    assert idp.asked.count("/keys") == 2


def test_a_provider_that_is_down_is_not_asked_by_everybody(web: str, idp: Idp) -> None:
    an_operator(address=ADA)
    idp.is_down = True
    for _ in range(3):
        assert "cannot be reached" in Person().get(f"{web}/admin/single-sign-on").said
    assert idp.asked == [DESCRIPTION]
    idp.is_down, idp.now = False, idp.now + FAILURE_KEPT
    there(web, Person(), idp)


def test_many_at_once_ask_once(web: str, idp: Idp) -> None:
    provider = Provider(idp.url, "broadsheet", SECRET, "x")
    given = {"redirect_uri": "x", "state": "x", "nonce": "x", "verifier": "x"}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: identity_provider.way_there(provider, **given), range(24)))
    assert idp.asked == [DESCRIPTION]


def test_no_more_is_read_or_kept_than_there_can_be(web: str, idp: Idp) -> None:
    for number in range(50):
        identity_provider._published.get(f"{idp.url}/{number}", dict)
    assert len(identity_provider._published._kept) <= identity_provider.MOST_KEPT
    for whole in (b'"' + b"x" * MOST_BYTES + b'"', b"[" * 200_000):
        idp.whole = whole
        with pytest.raises(NotVouched):
            identity_provider._ask(idp.url + DESCRIPTION)


def test_a_network_that_fails_often_waits_before_the_provider_is_asked_again(web: str, idp: Idp, sql: Sql) -> None:
    an_operator(address=ADA)
    person = Person()
    state = there(web, person, idp)["state"]
    sql(
        "INSERT INTO sign_in_failures (account_key, network) SELECT sha256(n::text::bytea), '127.0.0.0/24' FROM generate_series(2, %s) n",
        signing_in.TRIES_PER_NETWORK,
    )
    idp.says = {"email_verified": False}
    assert back(web, person, state).status == 422
    idp.saw = {}
    refused = back(web, person, state)
    assert (refused.status, "Too many attempts" in refused.said) == (429, True)
    assert idp.saw == {}
