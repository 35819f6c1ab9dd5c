"""Short signed tokens for tracked links and pixels: they name a copy and a link, never an address."""

import base64
import hmac
import secrets
import struct
from hashlib import sha256
from pathlib import Path

PIXEL = 0xFFFF
_FORM = struct.Struct(">QH")


class Links:
    """Makes and reads tokens with a key kept in the sandbox's home, so that links outlive a restart."""

    def __init__(self, home: Path, origin: str) -> None:
        self._origin = origin
        path = home / "links.key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_bytes(secrets.token_bytes(32))
        self._key = path.read_bytes()

    def click(self, copy: int, index: int) -> str:
        return f"{self._origin}/c/{self._token(copy, index)}"

    def pixel(self, copy: int) -> str:
        return f"{self._origin}/o/{self._token(copy, PIXEL)}"

    def read(self, token: str) -> tuple[int, int] | None:
        """(number of the copy, index of the link) or None for anything this sandbox did not make."""
        try:
            packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        data, seal = packed[: _FORM.size], packed[_FORM.size :]
        if len(data) != _FORM.size or not hmac.compare_digest(seal, self._seal(data)):
            return None
        copy, index = _FORM.unpack(data)
        return copy, index

    def _token(self, copy: int, index: int) -> str:
        data = _FORM.pack(copy, index)
        return base64.urlsafe_b64encode(data + self._seal(data)).rstrip(b"=").decode()

    def _seal(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, sha256)[:8]
