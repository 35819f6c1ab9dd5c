"""Posts an alarm to the address that was set, as JSON signed with the secret that was set. To the public internet only, once, without
following redirects, and within a few seconds."""

import hashlib
import hmac
import http.client
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from service.clients.dns import NoSuchName, Resolver, SystemResolver, Unreachable
from service.clients.links import Connection
from service.clients.reach import Refused, place
from service.settings import current

PATIENCE = 5.0
"""Seconds for all of it."""
SIGNATURE, TIMESTAMP = "X-Broadsheet-Signature", "X-Broadsheet-Timestamp"


class NotTakenError(Exception):
    """The other side did not say that it took the alarm; why, in words for a person."""


def post(alarm: Mapping[str, Any], resolver: Resolver | None = None) -> None:
    """Post it. The signature is the HMAC-SHA256, in hex, of the timestamp, a full stop and the body. Raises NotTakenError."""
    body = json.dumps(dict(alarm), ensure_ascii=False).encode()
    try:
        status = _post(body, resolver or SystemResolver())
    except Refused as error:
        raise NotTakenError(f"it was not posted: {error}") from None
    except (NoSuchName, Unreachable):
        raise NotTakenError("its name could not be looked up") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotTakenError(f"no answer: {type(error).__name__}") from None
    if not 200 <= status < 300:
        raise NotTakenError(f"the answer was {status}")


def _post(body: bytes, resolver: Resolver) -> int:
    settings = current()
    # A trial may post to its own machine; what reaches readers may not be pointed into a network of the firm's.
    where = place(settings.alarm_webhook_url, resolver, allow_loopback=settings.sandbox)
    now = str(int(time.time()))
    signed = hmac.new(settings.alarm_webhook_secret.encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()
    connection = Connection(where, PATIENCE)
    watch = threading.Timer(PATIENCE, connection.abort)
    watch.daemon = True
    watch.start()
    try:
        headers = {"Content-Type": "application/json", "User-Agent": "Broadsheet", TIMESTAMP: now, SIGNATURE: signed}
        connection.request("POST", where.target, body=body, headers=headers)
        return connection.getresponse().status
    finally:
        watch.cancel()
        connection.close()
