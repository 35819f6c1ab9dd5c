"""Posts one request to SendGrid (or the sandbox) and says what the answer means. Posts once: no retries, no redirects, no
keep-alive; knows nothing of issues or batches."""

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPMessage
from typing import Any

import structlog
from python_http_client.client import Client
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from service.domain.outcomes import Answer, Verdict
from service.log import mask
from service.settings import current

log = structlog.get_logger(__name__)

_READER = re.compile(r"personalizations\.(\d+)\.to(?:\.|$)")


class NotConnectedError(Exception):
    """The connection never stood, so not a byte of the request was written."""


class _PlainConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise NotConnectedError(type(error).__name__) from error


class _TlsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise NotConnectedError(type(error).__name__) from error


class _PlainOpener(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PlainConnection, req)


class _TlsOpener(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, req, context=ssl.create_default_context())


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """urllib follows a redirect of a POST with a GET, hands the key to the new place, and reports that GET's 200."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


class _CarefulClient(Client):  # type: ignore[misc]
    """The library's client, which tells "never connected" from "no answer" and does not follow redirects.

    Posts `encoded` where it is given. The library encodes what it is given and writes it all out for its debug log even when
    nobody listens, which for a thousand readers takes longer than the posting.
    """

    encoded: bytes | None = None

    def _build_client(self, name: str | None = None) -> "_CarefulClient":
        built = _CarefulClient(
            host=self.host,
            version=self._version,
            request_headers=self.request_headers,
            url_path=[*self._url_path, name] if name else self._url_path,
            append_slash=self.append_slash,
            timeout=self.timeout,
        )
        built.encoded = self.encoded
        return built

    def _make_request(self, _opener: Any, request: urllib.request.Request, timeout: float | None = None) -> Any:
        if self.encoded is not None:
            request.data = self.encoded
        opener = urllib.request.build_opener(_PlainOpener, _TlsOpener, _NoRedirects)
        return super()._make_request(opener, request, timeout=timeout)


def encode(body: Mapping[str, Any]) -> bytes:
    """The bytes that are written for this body: for counting, for the attempt's record, and for posting it."""
    return json.dumps(body).encode()


def connect() -> Any:
    """The library's client for this installation's account."""
    settings = current()
    library = SendGridAPIClient(api_key=settings.sendgrid_api_key, host=settings.sendgrid_url)
    return _CarefulClient(
        host=settings.sendgrid_url, request_headers=library._default_headers, version=3, timeout=settings.post_timeout
    )


def post(body: Mapping[str, Any] | bytes) -> Verdict:
    """POST the request once, encoded already or not. Never raises for what the outside does."""
    client = connect()
    client.encoded = body if isinstance(body, bytes) else encode(body)
    try:
        answer = client.mail.send.post(request_body={})
    except NotConnectedError as error:
        return Verdict(Answer.NOT_CONNECTED, reason=f"no connection: {error}")
    except HTTPError as error:
        return _judge(error.status_code, error.headers, error.body)
    except (OSError, http.client.HTTPException, urllib.error.URLError) as error:
        return Verdict(Answer.UNKNOWN, reason=f"no answer: {type(error).__name__}")
    if answer.status_code == 202:
        return Verdict(Answer.ACCEPTED, status=202, message_id=_header(answer.headers, "X-Message-Id"))
    # 200 is SendGrid's sandbox mode, which we never ask for; whatever else it is, it is no promise.
    return Verdict(Answer.UNKNOWN, status=answer.status_code, reason=f"unexpected answer {answer.status_code}")


def _judge(status: int, headers: HTTPMessage, body: bytes) -> Verdict:
    """What an error answer means. Source of the table: SendGrid's error pages, and what others reported."""
    errors = _errors(body)
    reason = f"{status}: {errors[0][0]}" if errors else str(status)
    if status == 400:
        return _bad_request(errors, reason)
    if status in (401, 403):
        return Verdict(Answer.UNAUTHORISED, status=status, reason=reason)
    if status == 413:
        return Verdict(Answer.TOO_LARGE, status=status, reason=reason)
    if status == 429:
        reset = _header(headers, "X-RateLimit-Reset") or ""
        return Verdict(
            Answer.THROTTLED,
            status=status,
            reason=reason,
            wait_until=int(reset) if reset.isascii() and reset.isdigit() else None,
        )
    if status in (404, 405, 415):
        return Verdict(Answer.REQUEST_REJECTED, status=status, reason=reason)
    return Verdict(Answer.UNKNOWN, status=status, reason=reason)


def _bad_request(errors: list[tuple[str, str]], reason: str) -> Verdict:
    """A 400 refuses the whole request; the errors' fields say whose fault it was."""
    if any("substitution" in f"{message} {field}".lower() for message, field in errors):
        return Verdict(Answer.SUBSTITUTIONS_REJECTED, status=400, reason=reason)
    named = frozenset(int(found[1]) for _, field in errors if (found := _READER.match(field)))
    if named:
        return Verdict(Answer.READERS_REJECTED, status=400, reason=reason, readers=named)
    if any(field for _, field in errors):
        return Verdict(Answer.REQUEST_REJECTED, status=400, reason=reason)
    return Verdict(Answer.UNNAMED_REJECTED, status=400, reason=reason)


def _errors(body: bytes) -> list[tuple[str, str]]:
    """(message, field) of each error; nothing for an answer that is not SendGrid's JSON."""
    try:
        found = json.loads(body)["errors"]
        # SendGrid quotes addresses in its messages, and these are stored and shown.
        return [(mask(str(error.get("message") or "")[:300]), str(error.get("field") or "")) for error in found]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _header(headers: HTTPMessage, name: str) -> str | None:
    value = headers.get(name)
    return value[:200] if value else None
