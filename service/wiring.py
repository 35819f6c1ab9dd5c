"""Wires a process, whatever it is, to its settings, log, database and queue; knows no web application."""

import hashlib
import hmac
import uuid

from service import db, epoch, log, queue, settings
from service.errors import BroadsheetError
from service.settings import Settings

_OTHER_KIND = {
    "sandbox": "This installation has been sending to the sandbox; its made-up bounces and leavings must not meet real readers. For real mail use another BROADSHEET_HOME, or another database.",
    "real": "This installation has been sending real mail; the sandbox's made-up events must not meet its readers. Set SENDGRID_API_KEY, or try things out with another BROADSHEET_HOME.",
}
_NOTE_ADDRESS_KEY = "UPDATE installation SET address_key_check = :check WHERE address_key_check IS NULL"


def wire(chosen: Settings, *, pool_size: int = 5) -> None:
    """Make this process work with these settings: web, worker or command alike."""
    settings.configure(chosen)
    log.configure(chosen.log_level, chosen.log_format)
    db.configure(chosen.database_url, chosen.database_owner_url, pool_size)
    queue.configure(chosen)


def check_installation(*, note: bool = True) -> None:
    """Refuse to mix a trial with real mail, and to work with other keys than those that the database was made with. A database that
    was never used gets its name here, and keys that are new to it are noted, unless this process only looks (`note`).

    Raises BroadsheetError. A process with the wrong ADDRESS_KEY would not recognise those who left; one that lacks a key of
    SECRET_KEYS would refuse the leave links that were signed with it.
    """
    check = key_check(settings.current().address_key)
    with db.transaction() as tx:
        if note:
            tx.execute(_NOTE_ADDRESS_KEY, check=check)
        stored, kind = tx.execute("SELECT address_key_check, kind FROM installation").one()
        signed_with = [bytes(one) for one in tx.execute("SELECT unnest(secret_key_checks) FROM installation").scalars()]
    if fault := is_another(stored, kind):
        raise BroadsheetError(fault)
    _check_secret_keys(signed_with)
    if note:
        _note_secret_key(signed_with)
        _name_new_database()


def key_check(key: bytes) -> bytes:
    """By which a key is recognised and from which nobody finds it."""
    return hmac.new(key, b"installation", hashlib.sha256).digest()


def _check_secret_keys(signed_with: list[bytes]) -> None:
    """All keys by which links were signed must be there."""
    ours = [key_check(key.encode()) for key in settings.current().secret_keys]
    missing = [one for one in signed_with if one not in ours]
    if signed_with and len(missing) == len(signed_with):
        raise BroadsheetError(
            "SECRET_KEYS are not the keys that this database was made with: no leave link in a mail already sent would work. Put the first ones back."
        )
    if missing:
        raise BroadsheetError(
            f"SECRET_KEYS lacks {len(missing)} of the keys that links in mails already sent were signed with. Put it back, after the newer ones; "
            "or, if those links are to stop working, run `broadsheet secrets retire`."
        )


def _note_secret_key(signed_with: list[bytes]) -> None:
    """The newest is one of them from now on; those after it were noted when they were the newest."""
    newest = [key_check(key.encode()) for key in settings.current().secret_keys[:1]]
    if newest and newest[0] not in signed_with:
        with db.transaction() as tx:
            tx.execute(
                "UPDATE installation SET secret_key_checks = secret_key_checks || CAST(:new AS bytea) WHERE NOT CAST(:new AS bytea) = ANY(secret_key_checks)",
                new=newest[0],
            )


def _name_new_database() -> None:
    """A database without a name gets one, and this machine notes it. One that is in use, where the machine has seen another before,
    is older than names are: it gets the name that the machine knows, and no mark, by which it is recognised as restored."""
    with db.transaction() as tx:
        if tx.execute("SELECT epoch FROM installation").scalar_one() is not None:
            return
        known = epoch.seen()
        used = tx.execute("SELECT EXISTS (SELECT FROM issues) OR EXISTS (SELECT FROM subscribers)").scalar_one()
        older = used and known.mark > 0
        name = known.installation if older else uuid.uuid4().hex
        named = tx.execute(
            "UPDATE installation SET epoch = :name, mark = :mark WHERE epoch IS NULL",
            name=name,
            mark=0 if older else 1,
        ).rowcount
    if named and not older:
        epoch.begin(name, 1, "its beginning")


def is_another(stored: bytes | None, kind: str | None) -> str:
    """Why the database with these marks (`address_key_check`, `kind`) is not for this process's settings; empty where it is."""
    if kind not in (None, settings.current().kind):
        return _OTHER_KIND[str(kind)]
    if stored is not None and not hmac.compare_digest(bytes(stored), key_check(settings.current().address_key)):
        return "ADDRESS_KEY is not the key that this database was made with. Without it nobody who left is recognised; put the first one back."
    return ""
