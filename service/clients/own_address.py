"""Asks for this installation's own pages as a stranger would: at the public address, and at the port of this machine. Follows no
redirect and uses no proxy; says what is wrong with a certificate."""

import http.client
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

PATIENCE = 4.0
"""Seconds for connecting and for each read."""
MOST_BYTES = 10_000

# OpenSSL's numbers (X509_V_ERR_…).
_FAULTS = {
    9: "not yet valid",
    10: "expired",
    18: "self-signed",
    19: "self-signed",
    20: "incomplete",
    21: "incomplete",
    62: "of another name",
    64: "of another name",
}


class Unreachable(Exception):
    """Nobody answered; the text says why: `no such name`, `refused`, `too slow`, or another word for it."""


class BadCertificate(Exception):
    """The text says why nobody trusts it: `expired`, `self-signed`, `incomplete`, `of another name`, `not yet valid`, or `not trusted`."""


@dataclass(frozen=True)
class Answer:
    """What came back: `text` is its beginning."""

    status: int
    location: str
    text: str


def ask(url: str, *, host: str = "") -> Answer:
    """GET this address once; `host` is the name to ask for where it is another. The certificate is not looked at. Raises Unreachable."""
    parts = urlsplit(url)
    where, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # Nothing is sent that anybody may not see, and `certificate_ends` is there to judge it.
        unjudged = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(where, port, timeout=PATIENCE, context=unjudged)
    else:
        connection = http.client.HTTPConnection(where, port, timeout=PATIENCE)
    try:
        connection.request("GET", parts.path or "/", headers={"Host": host or parts.netloc, "User-Agent": "Broadsheet"})
        answer = connection.getresponse()
        text = answer.read(MOST_BYTES).decode(errors="replace")
        return Answer(answer.status, answer.getheader("Location") or "", text)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise Unreachable(_why(error)) from None
    finally:
        connection.close()


def certificate_ends(url: str) -> datetime:
    """Until when the certificate of this https address is valid. Raises BadCertificate where browsers would refuse it, Unreachable."""
    parts = urlsplit(url)
    name = (parts.hostname or "").strip("[]")
    try:
        with (
            socket.create_connection((name, parts.port or 443), timeout=PATIENCE) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=name) as secured,
        ):
            ends = str((secured.getpeercert() or {})["notAfter"])
    except ssl.SSLCertVerificationError as error:
        raise BadCertificate(_FAULTS.get(error.verify_code, "not trusted")) from None
    except (OSError, UnicodeError) as error:
        raise Unreachable(_why(error)) from None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC)


def _why(error: Exception) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "no such name"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "too slow"
    return "no TLS" if isinstance(error, ssl.SSLError) else "broken off"
