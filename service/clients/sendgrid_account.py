"""Reads how SendGrid's account is set up: what the key may do, where events go, which domains it signs for. Changes nothing there."""

import http.client
import json
import urllib.error
from collections.abc import Mapping
from typing import Any

from python_http_client.exceptions import HTTPError

from service.clients.sendgrid import NotConnectedError, connect

MOST_BYTES = 1_000_000


class Refused(Exception):
    """SendGrid answered with this status: 401 for a key that is none, 403 for one that may not ask."""

    def __init__(self, status: int) -> None:
        super().__init__(f"SendGrid answers {status}")
        self.status = status


class Unreachable(Exception):
    """There was no answer, or none that can be read."""


def scopes() -> list[str]:
    """What the key may do. Raises Refused, Unreachable."""
    found = _get("scopes")
    return [str(one) for one in found.get("scopes", [])] if isinstance(found, Mapping) else []


def webhooks() -> list[dict[str, Any]]:
    """Where events are sent: each with `url`, `enabled`, `public_key` and which kinds of events. Raises Refused, Unreachable."""
    found = _get("user/webhooks/event/settings/all")
    listed = found.get("webhooks", []) if isinstance(found, Mapping) else []
    return [one for one in listed if isinstance(one, dict) and one.get("url")]


def domain(name: str) -> list[dict[str, Any]]:
    """The DNS records by which SendGrid may sign for the domain: `type`, `host`, `data`, `valid`; none where it does not know the
    domain. Raises Refused, Unreachable."""
    found = _get("whitelabel/domains", {"domain": name})
    known = [one for one in found if isinstance(one, dict) and str(one.get("domain", "")).lower() == name.lower()]
    records = known[0].get("dns", {}).values() if known else []
    return [one for one in records if isinstance(one, dict) and one.get("host")]


def _get(path: str, query: Mapping[str, str] | None = None) -> Any:
    client = connect()
    try:
        for part in path.split("/"):
            client = client._(part)
        answer = client.get(query_params=dict(query or {}))
        return json.loads(answer.body[:MOST_BYTES])
    except HTTPError as error:
        raise Refused(error.status_code) from None
    except (NotConnectedError, OSError, http.client.HTTPException, urllib.error.URLError, ValueError) as error:
        raise Unreachable(type(error).__name__) from None
