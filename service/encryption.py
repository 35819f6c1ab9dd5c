"""A stream encrypted and authenticated in pieces, so that neither side holds the whole of it. Refuses a piece that was changed, left
out, put elsewhere or cut off, and hands out nothing of it."""

import hashlib
import hmac
import io
import os
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from service.errors import BroadsheetError

MAGIC = b"BROADSHEET-BACKUP-1\n"
PIECE = 1024 * 1024
"""Bytes of plain text in a piece."""
_SALT, _PREFIX, _CHECK, _TAG = 16, 7, 16, 16
_HEADER = len(MAGIC) + _SALT + _PREFIX + _CHECK


class Sink(Protocol):
    """What can be written to."""

    def write(self, content: bytes, /) -> object: ...


class Sealing(io.RawIOBase):
    """Writes what it is given, encrypted; `finish` writes the end, without which nobody can open it.

    AES-256-GCM; a piece's nonce is a random prefix, the piece's number, and whether it is the last (the STREAM construction).
    """

    def __init__(self, to: Sink, secret: bytes) -> None:
        super().__init__()
        salt, self._prefix = os.urandom(_SALT), os.urandom(_PREFIX)
        key, check = _keys(secret, salt)
        self._to, self._cipher, self._number = to, AESGCM(key), 0
        self._header = MAGIC + salt + self._prefix + _check_of(check, salt, self._prefix)
        self._waiting = bytearray()
        to.write(self._header)

    def writable(self) -> bool:
        return True

    def write(self, content: object, /) -> int:
        view = memoryview(content)  # type: ignore[arg-type]
        self._waiting += view
        # The last piece is known to be it only at the end: one whole piece always waits.
        while len(self._waiting) > PIECE:
            self._seal(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]
        return view.nbytes

    def finish(self) -> None:
        """Write what waits, as the last piece."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._to.write(self._cipher.encrypt(_nonce(self._prefix, self._number, last), piece, self._header))
        self._number += 1


class Opening(io.RawIOBase):
    """Reads what `Sealing` wrote. Raises BroadsheetError for the wrong key, and for a file that is not as it was written."""

    def __init__(self, source: BinaryIO, secret: bytes) -> None:
        super().__init__()
        self._source = source
        self._header = source.read(_HEADER)
        if len(self._header) < _HEADER:
            raise BroadsheetError(
                "The backup is cut off at its beginning. Take another copy of it; nothing was changed."
            )
        salt = self._header[len(MAGIC) :][:_SALT]
        self._prefix = self._header[len(MAGIC) + _SALT :][:_PREFIX]
        key, check = _keys(secret, salt)
        if not hmac.compare_digest(self._header[-_CHECK:], _check_of(check, salt, self._prefix)):
            raise BroadsheetError("This is not the key that the backup was encrypted with. Nothing was changed.")
        self._cipher, self._number, self._plain = AESGCM(key), 0, b""
        self._next = source.read(PIECE + _TAG)
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while not self._ended and (size < 0 or len(self._plain) < size):
            self._plain += self._open()
        if size < 0:
            size = len(self._plain)
        found, self._plain = self._plain[:size], self._plain[size:]
        return found

    def _open(self) -> bytes:
        piece, self._next = self._next, self._source.read(PIECE + _TAG)
        self._ended = not self._next
        try:
            opened = self._cipher.decrypt(_nonce(self._prefix, self._number, self._ended), piece, self._header)
        except InvalidTag:
            place = f"about {self._number} MB from its beginning"
            raise BroadsheetError(
                f"The backup was changed or cut off, {place}. Take another copy of it; nothing was changed here."
            ) from None
        self._number += 1
        return opened


def _keys(secret: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """One key to encrypt, one to tell whether the secret is right. The work takes 64 MB and a good tenth of a second, so that
    passphrases are not tried out by the million."""
    both = Scrypt(salt=salt, length=64, n=2**16, r=8, p=1).derive(secret)
    return both[:32], both[32:]


def _check_of(key: bytes, salt: bytes, prefix: bytes) -> bytes:
    return hmac.new(key, MAGIC + salt + prefix, hashlib.sha256).digest()[:_CHECK]


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes((last,))
