"""A device that holds passkeys, in a few lines: what a browser would send of it, for tests without a browser."""

import hashlib
import json
import secrets
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import bytes_to_base64url

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    """One passkey for the installation at `address`. `asks`: it asks who holds it, by a finger or a code of its own."""

    def __init__(self, address: str, *, asks: bool = True) -> None:
        self._address = address
        self._flags = _PRESENT | (_VERIFIED if asks else 0)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._id = secrets.token_bytes(16)

    def made(self, challenge: bytes) -> str:
        """What the browser sends of a passkey that was made."""
        numbers = self._key.public_key().public_numbers()
        key = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})
        data = self._data(_ATTESTED) + bytes(16) + len(self._id).to_bytes(2) + self._id + key
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._sent(
            clientDataJSON=self._client("webauthn.create", challenge),
            attestationObject=attested,
            transports=["internal"],
        )

    def signed(self, challenge: bytes) -> str:
        """What the browser sends when the passkey is used."""
        data, client = self._data(), self._client("webauthn.get", challenge)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._sent(clientDataJSON=client, authenticatorData=data, signature=signature)

    def _data(self, more: int = 0) -> bytes:
        host = urlsplit(self._address).hostname or ""
        return hashlib.sha256(host.encode()).digest() + bytes([self._flags | more]) + bytes(4)

    def _client(self, kind: str, challenge: bytes) -> bytes:
        return json.dumps({"type": kind, "challenge": bytes_to_base64url(challenge), "origin": self._address}).encode()

    def _sent(self, **response: bytes | list[str]) -> str:
        name = bytes_to_base64url(self._id)
        answer = {k: bytes_to_base64url(v) if isinstance(v, bytes) else v for k, v in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": answer})
