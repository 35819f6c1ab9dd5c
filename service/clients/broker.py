"""Reads what Redis or Valkey says of itself, and how much waits in the queues. Writes nothing there."""

from typing import Any

import redis

from service.queue import QUEUES, key_of

PATIENCE = 4.0


class Unusable(Exception):
    """It cannot be used; the text says why: `refused`, `no such name`, `too slow`, `password`, `rights`, `loading`, `address`, or `broken off`."""


def describe(url: str) -> dict[str, Any]:
    """What INFO tells, by name. Raises Unusable."""
    with _connect(url) as client:
        try:
            return dict(client.info())
        except (redis.RedisError, OSError, ValueError) as error:
            raise Unusable(_why(error)) from None


def waiting(url: str) -> dict[str, int]:
    """How many tasks wait in each queue. Raises Unusable."""
    with _connect(url) as client:
        try:
            return {name: int(client.llen(key_of(name))) for name in QUEUES}
        except (redis.RedisError, OSError, ValueError) as error:
            raise Unusable(_why(error)) from None


def _connect(url: str) -> redis.Redis:
    try:
        return redis.Redis.from_url(url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE, retry=None)
    except (redis.RedisError, ValueError):
        raise Unusable("address") from None


def _why(error: Exception) -> str:
    """The library's own words name machines and accounts."""
    said = str(error).lower()
    if isinstance(error, redis.exceptions.NoPermissionError):
        return "rights"
    if isinstance(error, redis.AuthenticationError) or "auth" in said or "wrongpass" in said:
        return "password"
    if isinstance(error, redis.BusyLoadingError):
        return "loading"
    if isinstance(error, redis.TimeoutError | TimeoutError):
        return "too slow"
    if "name or service not known" in said or "resolution" in said or "nodename" in said:
        return "no such name"
    return "refused" if "refused" in said else "broken off"
