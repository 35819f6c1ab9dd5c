"""What an installation makes for itself and keeps in its home: keys beside an embedded database, and the sandbox's
identity. Refuses to overwrite a secret that is there, even a damaged one."""

import base64
import json
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.errors import Invalid


def stored_secrets(path: Path) -> dict[str, str]:
    if not path.exists():
        made = {
            "secret_keys": secrets.token_urlsafe(32),
            "address_key": secrets.token_urlsafe(32),
            "sandbox_api_key": f"SG.sandbox.{secrets.token_urlsafe(24)}",
        }
        _write_once(path, json.dumps(made).encode())
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(stored[name]) for name in ("secret_keys", "address_key", "sandbox_api_key")}
    except (ValueError, TypeError, KeyError):
        raise Invalid(_damaged(path)) from None


def sandbox_public_key(path: Path) -> str:
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        _write_once(
            path,
            made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        raise Invalid(_damaged(path)) from None
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(public).decode()


def new_key() -> str:
    """A key of SECRET_KEYS."""
    return secrets.token_urlsafe(32)


def change_secrets(path: Path, **changed: str) -> None:
    """Change some of the stored secrets: the file is replaced whole, and stays as it was when that fails."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(stored | changed))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _damaged(path: Path) -> str:
    return f"{path} is damaged. Put it back from a backup; new secrets would break the links in mails already sent."


def _write_once(path: Path, content: bytes) -> None:
    """Create a secret file whole and 0600, or leave the one another process made first."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
