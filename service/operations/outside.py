"""Files kept outside the database as evidence: written whole or not at all, and never over another."""

import os
import secrets
from pathlib import Path

from service.errors import BroadsheetError


def write_once(path: Path, content: str) -> None:
    """Write the file; nothing happens when it is there with the same content. Raises BroadsheetError when it says something
    else."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        if path.read_text(encoding="utf-8") != content:
            raise BroadsheetError(
                f"{path} is there already and says something else. Run `broadsheet consent verify`."
            ) from None
    finally:
        draft.unlink(missing_ok=True)


def settle_names(folder: Path) -> None:
    """So that the names of the files in the folder are on the disk, as their bytes are."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
