"""Delivers queued events as SendGrid's signed event webhook, with growing intervals after a failure.

Posts to this machine only; refuses any other address when it is made.
"""

import base64
import http.client
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.sandbox.outbox import Outbox

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PATIENCE = 10.0
_BREATH = 0.05


def load_key(path: Path | None, home: Path) -> ec.EllipticCurvePrivateKey:
    """The key given, or one made once in the sandbox's home."""
    if path is None:
        path = home / "webhook.pem"
        if not path.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            path.touch(mode=0o600)
            path.write_bytes(
                made.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError(f"{path} holds no P-256 private key: make one with `openssl ecparam -name prime256v1 -genkey`")
    return key


def public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """Base64 of the DER form, as SendGrid shows it in its settings."""
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


class Webhook:
    """One thread that makes events and posts them in order; `hold` stops the posting only."""

    def __init__(self, outbox: Outbox, key: ec.EllipticCurvePrivateKey, url: str) -> None:
        parts = urlsplit(url)
        if url and (parts.scheme != "http" or parts.hostname not in LOOPBACK):
            raise ValueError(f"the webhook address must be http on 127.0.0.1 or localhost, not {url}")
        self._outbox, self._key = outbox, key
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.hold = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-webhook", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=3)

    def _run(self) -> None:
        while not self._stopping.is_set():
            made = self._outbox.generate()
            sent = bool(self._host) and not self.hold and self._deliver()
            if not (made or sent):
                self._stopping.wait(_BREATH)

    def _deliver(self) -> bool:
        ids, parts = self._outbox.due()
        if not ids:
            return False
        if self._post(b"[" + b",".join(parts) + b"]\r\n"):
            self._outbox.delivered(ids)
        else:
            self._outbox.failed(ids)
        return True

    def _post(self, raw: bytes) -> bool:
        """True if the answer was 2xx. Redirects are not followed, as SendGrid does not."""
        timestamp = str(int(time.time()))
        signature = self._key.sign(timestamp.encode() + raw, ec.ECDSA(hashes.SHA256()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "SendGrid Event API",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }
        # A new connection each time: one kept open may have been closed by an idle server, which would look like a
        # refused delivery.
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE)
        try:
            connection.request("POST", self._path, body=raw, headers=headers)
            return 200 <= connection.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
