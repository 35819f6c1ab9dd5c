"""Wires a process, whatever it is, to its settings, log, database and queue; knows no web application."""

import hashlib
import hmac

from service import db, log, queue, settings
from service.errors import BroadsheetError
from service.settings import Settings

_OTHER_KIND = {
    "sandbox": "This installation has been sending to the sandbox; its made-up bounces and leavings must not meet real readers. For real mail use another BROADSHEET_HOME, or another database.",
    "real": "This installation has been sending real mail; the sandbox's made-up events must not meet its readers. Set SENDGRID_API_KEY, or try things out with another BROADSHEET_HOME.",
}


def wire(chosen: Settings, *, pool_size: int = 5) -> None:
    """Make this process work with these settings: web, worker or command alike."""
    settings.configure(chosen)
    log.configure(chosen.log_level, chosen.log_format)
    db.configure(chosen.database_url, chosen.database_owner_url, pool_size)
    queue.configure(chosen)


def check_installation() -> None:
    """Refuse to mix a trial with real mail, and to work with another ADDRESS_KEY than the one that the suppressions in the database were made with.

    Raises BroadsheetError. A process with the wrong key would not recognise those who left.
    """
    with db.transaction() as tx:
        tx.execute("UPDATE installation SET address_key_check = :check WHERE address_key_check IS NULL", check=_check())
        stored, kind = tx.execute("SELECT address_key_check, kind FROM installation").one()
    if fault := is_another(stored, kind):
        raise BroadsheetError(fault)


def is_another(stored: bytes | None, kind: str | None) -> str:
    """Why the database with these marks (`address_key_check`, `kind`) is not for this process's settings; empty where it is."""
    if kind not in (None, settings.current().kind):
        return _OTHER_KIND[str(kind)]
    if stored is not None and not hmac.compare_digest(bytes(stored), _check()):
        return "ADDRESS_KEY is not the key that this database was made with. Without it nobody who left is recognised; put the first one back."
    return ""


def _check() -> bytes:
    return hmac.new(settings.current().address_key, b"installation", hashlib.sha256).digest()
