"""The webhook's door: signed bytes in, 2xx out; everything else 4xx, without a traceback and without a row."""

import base64
import logging
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.clients.sendgrid_events import SIGNATURE_HEADER, TIMESTAMP_HEADER
from service.settings import Settings
from tests.web.test_leaving import ask

Sql = Callable[..., list[Any]]
STAMP = "1795000000"


@pytest.fixture
def sign(database: Settings) -> Callable[[bytes], str]:
    private = serialization.load_pem_private_key(database.sandbox_webhook_key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return lambda body: base64.b64encode(private.sign(STAMP.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()


def hand_in(web: str, body: bytes, signature: str | None, stamp: str | None = STAMP) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"}
    if signature is not None:
        headers[SIGNATURE_HEADER] = signature
    if stamp is not None:
        headers[TIMESTAMP_HEADER] = stamp
    status, text, _ = ask("POST", f"{web}/webhooks/sendgrid", body, **headers)
    return status, text


def test_signed_bytes_are_stored_and_answered_at_once(web: str, sign: Callable[[bytes], str], sql: Sql) -> None:
    body = b'[{"event":"delivered"}]\r\n'
    assert hand_in(web, body, sign(body))[0] == 204
    assert sql("SELECT state, events FROM payloads") == [("pending", 1)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'[{"event":"x"}', 400),
        (b'{"event":"x"}', 400),
        (b"", 400),
        (b"[1]", 400),
        (b"\xff\xfe\x00", 400),
        (b"[" + b" " * 5_000_000 + b"]", 413),
    ],
)
def test_signed_nonsense_is_refused(
    web: str, sign: Callable[[bytes], str], sql: Sql, caplog: pytest.LogCaptureFixture, body: bytes, expected: int
) -> None:
    with caplog.at_level(logging.INFO):
        status, text = hand_in(web, body, sign(body))
    assert status == expected
    assert "Traceback" not in text + caplog.text
    assert sql("SELECT count(*) FROM payloads") == [(0,)]


@pytest.mark.parametrize(
    ("signature", "stamp"),
    [
        (None, STAMP),
        ("", STAMP),
        ("AAAA", STAMP),
        ("not base64!", STAMP),
        ("right", None),
        ("right", "0000000001"),
        ("right", "x"),
    ],
)
def test_what_nobody_signed_is_refused(
    web: str, sign: Callable[[bytes], str], sql: Sql, signature: str | None, stamp: str | None
) -> None:
    body = b'[{"event":"delivered"}]'
    status, text = hand_in(web, body, sign(body) if signature == "right" else signature, stamp)
    assert (status, "Traceback" in text) == (403, False)
    assert sql("SELECT count(*) FROM payloads") == [(0,)]


def test_a_changed_body_is_refused(web: str, sign: Callable[[bytes], str]) -> None:
    body = b'[{"event":"delivered"}]'
    assert hand_in(web, body.replace(b"delivered", b"spamrepor"), sign(body))[0] == 403


def test_health_and_readiness_are_told_apart(web: str) -> None:
    """The process lives, and no worker does."""
    assert ask("GET", f"{web}/healthz")[0] == 200
    status, text, _ = ask("GET", f"{web}/readyz")
    assert status == 503
    assert "no live worker for: mail, sending, tracking, default" in text


def test_media_serves_only_stored_pictures(web: str, database: Settings) -> None:
    database.media.mkdir(exist_ok=True)
    name = "a" * 64
    (database.media / name).write_bytes(b"\x89PNG\r\n\x1a\nrest")
    (database.media / ("b" * 64)).write_bytes(b"<svg onload=alert(1)>")
    status, _, headers = ask("GET", f"{web}/media/{name}")
    assert (status, headers["Content-Type"], "immutable" in headers["Cache-Control"]) == (200, "image/png", True)
    for wrong in ("b" * 64, "c" * 64, "..%2Fsecrets.json", "A" * 64):
        assert ask("GET", f"{web}/media/{wrong}")[0] == 404


def test_no_cookie_is_set_and_every_answer_has_the_security_headers(web: str) -> None:
    for path in ("/healthz", "/u/x", "/nothing", "/static/public.css"):
        _, _, headers = ask("GET", web + path)
        assert "Set-Cookie" not in headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    with urllib.request.urlopen(f"{web}/static/public.css", timeout=10) as answer:
        assert answer.status == 200
