"""Changes the keys by which links are signed. A link in a mail already sent goes on working until its key is retired, which only a
person decides."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from service import identity, settings, wiring
from service.db import transaction
from service.encryption import MAGIC, Opening
from service.errors import BroadsheetError, Invalid
from service.operations.auditing import audit
from service.settings import current


def are_in_the_home() -> bool:
    """Whether the keys of this process are those in the home's file, and not the environment's."""
    return _stored().get("secret_keys") == ",".join(current().secret_keys)


def rotate(*, actor: str) -> int:
    """Sign by a new key from now on; the old ones go on opening what they signed. Returns how many there are. Raises
    BroadsheetError where the keys are the environment's to give."""
    if not are_in_the_home():
        raise BroadsheetError("The keys come from the environment: nothing was changed.")
    keys = (identity.new_key(), *current().secret_keys)
    # The file first: one that is noted in the database and nowhere else would keep everything from starting.
    identity.change_secrets(_path(), secret_keys=",".join(keys))
    settings.configure(replace(current(), secret_keys=keys))
    wiring.check_installation()
    with transaction() as tx:
        audit(tx, actor, "rotate secrets", "secrets", keys=len(keys))
    return len(keys)


def retire(*, actor: str) -> int:
    """Keep the newest key and no other, or, where they come from the environment, those that are given there: links that the others
    signed stop working. Returns how many were retired."""
    keys = current().secret_keys[:1] if are_in_the_home() else current().secret_keys
    checks = [wiring.key_check(key.encode()) for key in keys]
    # The database first: a key too many in the file does no harm.
    with transaction() as tx:
        known = [bytes(one) for one in tx.execute("SELECT unnest(secret_key_checks) FROM installation").scalars()]
        kept = [one for one in checks if one in known] or checks[:1]
        tx.execute("UPDATE installation SET secret_key_checks = CAST(:kept AS bytea[])", kept=kept)
        retired = len([one for one in known if one not in checks])
        audit(tx, actor, "retire secrets", "secrets", retired=retired)
    if are_in_the_home():
        identity.change_secrets(_path(), secret_keys=keys[0])
    settings.configure(replace(current(), secret_keys=keys))
    return retired


def take(keys: dict[str, str]) -> Path | None:
    """Put keys that were backed up into the home, and keep those that were there in a file beside them, whose path is returned; None
    when they are the same."""
    path = _path()
    if all(_stored().get(name) == value for name, value in keys.items()):
        return None
    number = 1
    while (kept := path.with_name(f"secrets.before-{number}.json")).exists():
        number += 1
    os.link(path, kept)
    identity.change_secrets(path, **keys)
    return kept


def read_keys(file: Path, secret: bytes | None) -> dict[str, str]:
    """The keys that `backup --keys` wrote. Raises Invalid, BroadsheetError."""
    with file.open("rb") as raw:
        encrypted = raw.read(len(MAGIC)) == MAGIC
        raw.seek(0)
        if encrypted and secret is None:
            raise Invalid("The file is encrypted: give its key with --key-file.")
        source = Opening(raw, secret) if encrypted and secret is not None else raw
        content = cast(BinaryIO, source).read()
    try:
        body: dict[str, Any] = json.loads(content)
        return {name: str(body[name]) for name in ("secret_keys", "address_key")}
    except (ValueError, KeyError, TypeError):
        raise Invalid(f"{file} holds no keys of a Broadsheet.") from None


def _path() -> Path:
    return current().home / "secrets.json"


def _stored() -> dict[str, str]:
    return identity.stored_secrets(_path()) if current().embedded else {}
