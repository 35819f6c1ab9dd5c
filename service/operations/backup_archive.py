"""What a backup is: a tar file, encrypted where a key is given, whose last member says what is in it and by which hashes. Holds no
keys. Refuses what was cut off, changed, or put in by somebody else."""

import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from service.encryption import MAGIC, Opening, Sealing
from service.errors import BroadsheetError

FORMAT = 1
DUMP, MANIFEST = "database.dump", "manifest.json"
FOLDERS = ("media", "designs", "digests", "erasures")
_MEMBER = re.compile(r"(?:media|designs|digests|erasures)(?:/[^/\0]+)+")
_STEP = 1024 * 1024
_FOLDER = ".backup-"


@dataclass
class Manifest:
    """What stands in a backup about itself. `tables`: rows of each; `files`: SHA-256 in hex of every other member."""

    made_at: str
    version: str
    migration: str
    postgresql: int
    installation: str
    mark: int
    kind: str | None
    address_key_check: str
    last_digest: int
    bucket: str | None
    tables: dict[str, int]
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


class Packing:
    """Writes the members one after the other, and the manifest at the end."""

    def __init__(self, to: BinaryIO, secret: bytes | None) -> None:
        self._sealing = None if secret is None else Sealing(to, secret)
        self._tar = tarfile.open(fileobj=cast(IO[bytes], self._sealing or to), mode="w|", bufsize=_STEP)  # noqa: SIM115 - `finish` closes it
        self._hashes: dict[str, str] = {}

    def add(self, name: str, content: BinaryIO, size: int) -> None:
        """Put in so many bytes. A file that grew meanwhile is taken as long as it was."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        reading = _Hashing(content)
        self._tar.addfile(member, cast(IO[bytes], reading))
        self._hashes[name] = reading.hex()

    def add_file(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            self.add(name, file, path.stat().st_size)

    def finish(self, manifest: Manifest) -> None:
        manifest.files = dict(self._hashes)
        text = json.dumps(asdict(manifest), indent=1).encode()
        self.add(MANIFEST, io.BytesIO(text), len(text))
        self._tar.close()
        if self._sealing is not None:
            self._sealing.finish()


@dataclass(frozen=True)
class Unpacked:
    """A backup that was read to its end and found whole. `folder` holds the files; both go when it is left."""

    manifest: Manifest
    dump: IO[bytes]
    folder: Path


@contextmanager
def unpacked(file: Path, secret: bytes | None, beside: Path) -> Iterator[Unpacked]:
    """Read a backup wholly, checking every byte, into a folder of its own in `beside`. The dump has no name: nothing of it stays,
    whatever happens to this process; a folder that a killed one left goes first, so one at a time. Raises BroadsheetError."""
    beside.mkdir(mode=0o711, parents=True, exist_ok=True)
    for left in beside.glob(f"{_FOLDER}*"):
        shutil.rmtree(left, ignore_errors=True)
    with (
        file.open("rb") as raw,
        tempfile.TemporaryFile(dir=beside) as dump,
        tempfile.TemporaryDirectory(prefix=_FOLDER, dir=beside) as folder,
    ):
        yield Unpacked(_unpack(_plain(raw, secret), dump, Path(folder)), dump, Path(folder))


def _plain(raw: BinaryIO, secret: bytes | None) -> BinaryIO:
    encrypted = raw.read(len(MAGIC)) == MAGIC
    raw.seek(0)
    if encrypted and secret is None:
        raise BroadsheetError("The backup is encrypted: give its key with --key-file.")
    if secret is not None and not encrypted:
        raise BroadsheetError(
            "The backup is not encrypted, though a key is given: is it the right file? Leave --key-file out if it is."
        )
    return raw if secret is None else cast(BinaryIO, Opening(raw, secret))


def _unpack(source: BinaryIO, dump: IO[bytes], folder: Path) -> Manifest:
    hashes: dict[str, str] = {}
    text = None
    try:
        with tarfile.open(fileobj=cast(IO[bytes], source), mode="r|", bufsize=_STEP) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or text is not None:
                    raise BroadsheetError(f"{member.name} does not belong in a backup. Nothing was changed.")
                if member.name == MANIFEST:
                    text = content.read()
                    continue
                hashes[member.name] = _take(member.name, content, dump, folder)
        # To the very end, so that what is missing there shows.
        while source.read(_STEP):
            pass
    except (tarfile.TarError, EOFError) as error:
        raise BroadsheetError(
            f"The backup is cut off, or is none ({type(error).__name__}). Take another copy of it; nothing was changed."
        ) from None
    return _checked(text, hashes)


def _take(name: str, content: IO[bytes], dump: IO[bytes], folder: Path) -> str:
    reading = _Hashing(content)
    if name == DUMP:
        _copy(reading, dump)
    elif _MEMBER.fullmatch(name) and ".." not in name.split("/"):
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb") as file:
            _copy(reading, file)
    else:
        raise BroadsheetError(f"{name} does not belong in a backup. Nothing was changed.")
    return reading.hex()


def _copy(source: "_Hashing", to: IO[bytes]) -> None:
    while piece := source.read(_STEP):
        to.write(piece)
    to.flush()


def _checked(text: bytes | None, hashes: dict[str, str]) -> Manifest:
    if text is None:
        raise BroadsheetError(
            "The backup is cut off: its end is missing. Take another copy of it; nothing was changed."
        )
    try:
        body: dict[str, Any] = json.loads(text)
        if body["format"] != FORMAT:
            raise BroadsheetError(
                f"The backup has the format {body['format']}, and this Broadsheet reads {FORMAT}. Use the version that made it, or a newer one."
            )
        manifest = Manifest(**body)
    except (ValueError, TypeError, KeyError):
        raise BroadsheetError("The backup does not say what is in it. Nothing was changed.") from None
    wrong = sorted(
        name for name in manifest.files.keys() | hashes.keys() if manifest.files.get(name) != hashes.get(name)
    )
    if wrong or DUMP not in hashes:
        raise BroadsheetError(
            f"The backup was changed since it was made: {wrong[0] if wrong else DUMP} is not as it was. Take another copy of it; nothing was changed here."
        )
    return manifest


class _Hashing:
    """Reads through, and knows the hash of what was read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._hash = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(size)
        self._hash.update(piece)
        return piece

    def hex(self) -> str:
        return self._hash.hexdigest()
