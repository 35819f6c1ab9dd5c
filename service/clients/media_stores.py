"""Where the bytes of pictures lie: a folder of this machine, and, where one is set, a bucket behind it, of which the folder is
then a copy. A bucket that is away is said to be away, never taken for one that is empty."""

import hashlib
import os
import secrets
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import obstore
import structlog
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from service.bucket import Bucket
from service.errors import RetryLater

log = structlog.get_logger(__name__)

_PREFIX = "media/"
_PATIENCE = timedelta(seconds=10)


def keep_in_folder(folder: Path, name: str, content: bytes) -> None:
    """Keep the bytes under that name, whole or not at all."""
    path = folder / name
    if path.exists():
        return
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = folder / f".{name}.{secrets.token_hex(4)}"
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def keep_in_bucket(bucket: Bucket, name: str, content: bytes, mimetype: str) -> None:
    """Keep the bytes in the bucket. Raises RetryLater when it does not take them."""
    attributes = {"Content-Type": mimetype, "Cache-Control": "public, max-age=31536000, immutable"}
    try:
        obstore.put(_open(bucket), _PREFIX + name, content, attributes=attributes)
    except (BaseError, OSError, ValueError) as error:
        raise RetryLater(_away(bucket, "store", error)) from None


def fetch(bucket: Bucket, name: str) -> bytes | None:
    """The bytes of that name; None where the bucket has none. Raises RetryLater when it does not answer."""
    try:
        content = bytes(obstore.get(_open(bucket), _PREFIX + name).bytes())
    except (NotFoundError, FileNotFoundError):
        return None
    except (BaseError, OSError, ValueError) as error:
        raise RetryLater(_away(bucket, "fetch", error)) from None
    if hashlib.sha256(content).hexdigest() != name:
        log.error("the bucket holds other bytes than were stored", picture=name)
        return None
    return content


def _away(bucket: Bucket, doing: str, error: Exception) -> str:
    """What a person needs; the library's own words quote addresses and may quote keys."""
    kind = type(error).__name__
    log.warning("the bucket of pictures did not answer as it should", doing=doing, error=kind)
    advice = {
        "PermissionDeniedError": "it refuses this key: check MEDIA_ACCESS_KEY_ID and what that key may do",
        "UnauthenticatedError": "it does not know this key: check MEDIA_ACCESS_KEY_ID and MEDIA_SECRET_ACCESS_KEY",
        "NotFoundError": "it is not there: check MEDIA_BUCKET",
        "FileNotFoundError": "it is not there: check MEDIA_BUCKET",
    }.get(kind, "it cannot be reached: check MEDIA_ENDPOINT, MEDIA_REGION and the network")
    return f"The bucket {bucket.name!r} for pictures did not {doing} one: {advice}. Then try again."


@lru_cache(maxsize=4)
def _open(bucket: Bucket) -> S3Store:
    """Credentials are given, so that none are looked for in files or at addresses of a cloud."""
    return S3Store(
        bucket.name,
        endpoint=bucket.endpoint or f"https://s3.{bucket.region}.amazonaws.com",
        region=bucket.region,
        access_key_id=bucket.access_key_id,
        secret_access_key=bucket.secret_access_key,
        virtual_hosted_style_request=False,
        client_options={
            "timeout": _PATIENCE,
            "connect_timeout": timedelta(seconds=3),
            "allow_http": bucket.endpoint.startswith("http://"),
        },
        retry_config={"max_retries": 2, "retry_timeout": _PATIENCE},
    )
