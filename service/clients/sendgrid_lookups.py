"""Asks SendGrid afterwards what it knows of mails: its Email Activity, and its suppression lists. Changes nothing there, asks once, and
reads only what it can vouch for."""

import http.client
import json
import time
import urllib.error
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPMessage
from typing import Any

from python_http_client.exceptions import HTTPError

from service.clients.sendgrid import NotConnectedError, connect
from service.clients.sendgrid_events import ATTEMPT_ARGUMENT

TIMEOUT = 10.0
"""Seconds; other duties wait in the same queue."""
MOST_BYTES = 2_000_000
MOST_MESSAGES = 100
"""One is proof; more are asked for so that an answer to another question shows."""
PAGE = 500
"""The most that a suppression list hands out at once."""
LISTS = ("bounces", "blocks", "spam_reports", "invalid_emails")


class NotOffered(Exception):
    """The key or the account may not ask this: SendGrid answers with `status`, 401, 403 or 404."""

    def __init__(self, status: int) -> None:
        super().__init__(f"SendGrid answers {status}")
        self.status = status


class TooOften(Exception):
    """429. `seconds` until SendGrid lets us ask again, if it said so."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__("SendGrid answers 429")
        self.seconds = seconds


class NoAnswer(Exception):
    """There was no answer, or none that can be read; the text says what it was."""


@dataclass(frozen=True)
class Message:
    """A mail as the activity shows it: to whom, and when something last happened to it."""

    address: str
    at: datetime


def messages_of(attempt_id: uuid.UUID) -> list[Message]:
    """The messages of a request that carried this attempt's id. Source of the query: SendGrid's reference of the Email Activity
    Feed. Raises NotOffered, TooOften, NoAnswer."""
    query = f"unique_args['{ATTEMPT_ARGUMENT}']=\"{attempt_id}\""
    found = _get("messages", {"query": query, "limit": str(MOST_MESSAGES)})
    listed = found.get("messages") if isinstance(found, Mapping) else None
    if not isinstance(listed, list):
        raise NoAnswer("an answer without messages")
    read = [_message(one) for one in listed]
    if None in read:
        raise NoAnswer("messages that cannot be read")
    return [one for one in read if one is not None]


def suppressed_since(moment: datetime) -> dict[str, set[str]]:
    """The addresses (lower case) on each of SendGrid's lists since then; of each list the newest page. Raises NotOffered, TooOften,
    NoAnswer."""
    query = {"start_time": str(int(moment.timestamp())), "limit": str(PAGE)}
    found = {}
    for name in LISTS:
        listed = _get(f"suppression/{name}", query)
        if not isinstance(listed, list) or not all(
            isinstance(one, Mapping) and isinstance(one.get("email"), str) for one in listed
        ):
            raise NoAnswer(f"a list of {name} that cannot be read")
        found[name] = {
            one["email"].lower() for one in listed if isinstance(one.get("created"), int) and _since(one, moment)
        }
    return found


def _since(one: Mapping[str, Any], moment: datetime) -> bool:
    return int(one["created"]) >= int(moment.timestamp())


def _message(one: Any) -> Message | None:
    if not isinstance(one, Mapping):
        return None
    address, at = one.get("to_email"), one.get("last_event_time")
    if not isinstance(address, str) or not isinstance(at, str) or not one.get("msg_id"):
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return Message(address.strip().lower(), moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _get(path: str, query: Mapping[str, str]) -> Any:
    client = connect()
    client.timeout = TIMEOUT
    try:
        for part in path.split("/"):
            client = client._(part)
        answer = client.get(query_params=dict(query))
        return json.loads(answer.body[:MOST_BYTES])
    except HTTPError as error:
        if error.status_code in (401, 403, 404):
            raise NotOffered(error.status_code) from None
        if error.status_code == 429:
            raise TooOften(_wait(error.headers)) from None
        raise NoAnswer(f"status {error.status_code}") from None
    except ValueError:
        raise NoAnswer("an answer that is no JSON") from None
    except (NotConnectedError, OSError, http.client.HTTPException, urllib.error.URLError) as error:
        raise NoAnswer(type(error).__name__) from None


def _wait(headers: HTTPMessage) -> float | None:
    reset = headers.get("X-RateLimit-Reset") or ""
    return float(reset) - time.time() if reset.isascii() and reset.isdigit() and len(reset) < 12 else None
