"""The doorbell: task names, their queues, and publishing by name. A lost bell costs latency only, so publishing never
raises and never blocks a reader for long."""

import base64
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import uuid4

import redis
import structlog
from celery import Celery

from service import broker
from service.ringing import Together
from service.settings import Settings

PREPARE_ISSUE: Final = "sending.prepare_issue"
SEND_BATCH: Final = "sending.send_batch"
SEND_SEEDS: Final = "sending.send_seeds"
SWEEP_SENDING: Final = "sending.sweep"
INGEST_PAYLOADS: Final = "tracking.ingest_payloads"
SWEEP_TRACKING: Final = "tracking.sweep"
CHECK_LEDGERS: Final = "duties.check_ledgers"
KEEP_PARTITIONS: Final = "duties.keep_partitions"
MAKE_DIGEST: Final = "duties.make_digest"
KEEP_RETENTION: Final = "duties.keep_retention"
COUNT_ISSUES: Final = "duties.count_issues"
WATCH: Final = "duties.watch"
CHECK_SURROUNDINGS: Final = "duties.check_surroundings"
LOOK_UP_UNKNOWN: Final = "duties.look_up_unknown"
LOOK_AT_UPLOAD: Final = "duties.look_at_upload"
ANSWER_SIGNUP: Final = "mail.answer_signup"
ANSWER_LINK_REQUEST: Final = "mail.answer_link_request"
SEND_MAIL: Final = "mail.send"
SEND_TEAM_MAIL: Final = "mail.send_team_mail"
SWEEP_TEAM_MAIL: Final = "mail.sweep_team_mail"
SWEEP_MAIL: Final = "mail.sweep"
HEARTBEAT_MAIL: Final = "mail.heartbeat"

ROUTES: Final = {
    PREPARE_ISSUE: "default",
    SEND_BATCH: "sending",
    SEND_SEEDS: "default",
    SWEEP_SENDING: "default",
    INGEST_PAYLOADS: "tracking",
    SWEEP_TRACKING: "default",
    CHECK_LEDGERS: "default",
    KEEP_PARTITIONS: "default",
    MAKE_DIGEST: "default",
    KEEP_RETENTION: "default",
    CHECK_SURROUNDINGS: "default",
    WATCH: "default",
    COUNT_ISSUES: "default",
    LOOK_UP_UNKNOWN: "default",
    LOOK_AT_UPLOAD: "default",
    ANSWER_SIGNUP: "mail",
    ANSWER_LINK_REQUEST: "mail",
    SEND_MAIL: "mail",
    SEND_TEAM_MAIL: "mail",
    SWEEP_TEAM_MAIL: "mail",
    SWEEP_MAIL: "mail",
    HEARTBEAT_MAIL: "mail",
}
QUEUES: Final = ("mail", "sending", "tracking", "default")
ONE_IS_ENOUGH: Final = frozenset({INGEST_PAYLOADS})
"""Tasks that take up whatever waits, each alone in its queue. One that still waits there will see what was committed before it is begun:
another would find nothing to do, and a flood would ring as often as it posts."""
TOGETHER: Final = frozenset({ANSWER_SIGNUP})
"""Tasks for any number of rows. Their bells are rung in a moment: sign-ups come by the hundred a second, and a bell costs as much as a row."""

PUBLISHING: Final = 2.0
"""Seconds that a bell may take; it takes under a thousandth."""
SILENT: Final = 5.0
"""Seconds without a bell after one that Redis did not take: a request that rings several times waits once. The sweep rings them."""

log = structlog.get_logger(__name__)
Publisher = Callable[[str, tuple[int, ...]], None]
_publisher: Publisher | None = None
_probe: redis.Redis | None = None


def key_of(queue: str) -> str:
    """The list in Redis in which a queue's tasks wait."""
    return f"broadsheet:{queue}"


def make_celery(settings: Settings) -> Celery:
    """The Celery application, for publishers and workers alike.

    Early acknowledgement is fine and late is no safer on Redis (measured: both lose a few messages under kill -9):
    what makes every message superfluous is the sweep.
    """
    app = Celery("broadsheet", broker=settings.redis_url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        task_routes={name: {"queue": queue} for name, queue in ROUTES.items()},
        task_default_queue="default",
        task_create_missing_queues=True,
        task_serializer="json",
        accept_content=["json"],
        task_soft_time_limit=110,
        task_time_limit=120,
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=2000,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=3,
        broker_transport=f"{broker.__name__}:{broker.Transport.__name__}",
        broker_transport_options={
            # Without these a frozen Redis blocks a publishing web request for over a minute (measured: 75 s).
            "socket_timeout": 5,
            "socket_connect_timeout": 3,
            "visibility_timeout": 600,
            "unacked_restore_throttle": 1,
            "global_keyprefix": key_of(""),
        },
        enable_utc=True,
        timezone="UTC",
    )
    return app


def attended(settings: Settings, seconds: float) -> dict[str, int]:
    """How many workers say, within these seconds, that they work on each queue. A busy one says so too."""
    found = dict.fromkeys(QUEUES, 0)
    with make_celery(settings) as app:
        for queues in (app.control.inspect(timeout=seconds).active_queues() or {}).values():
            for one in queues:
                found[one["name"]] = found.get(one["name"], 0) + 1
    return found


def configure(settings: Settings) -> None:
    """Publish through this Redis from now on."""
    global _probe
    _probe = redis.Redis.from_url(settings.redis_url, retry=None, socket_connect_timeout=2, socket_timeout=2)
    app = make_celery(settings)
    timeouts = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), PUBLISHING)
    # No retry: the sweep tries again, a reader does not wait for it. A connection that was closed is opened anew all the same.
    client = redis.Redis.from_url(settings.redis_url, retry=None, **timeouts)

    silent_until = 0.0

    def send(name: str, arguments: tuple[int, ...]) -> None:
        nonlocal silent_until
        if time.monotonic() < silent_until:
            raise redis.TimeoutError("Redis did not answer just now")
        try:
            if name in ONE_IS_ENOUGH and client.llen(key_of(ROUTES[name])):
                return
            client.lpush(key_of(ROUTES[name]), json.dumps(_bell(app, name, arguments)))
        except redis.TimeoutError:
            silent_until = time.monotonic() + SILENT
            raise

    together = Together(partial(_ring, send))

    def publisher(name: str, arguments: tuple[int, ...]) -> None:
        if name in TOGETHER:
            together.add(name, *arguments)
        else:
            send(name, arguments)

    use(publisher)


def _bell(app: Celery, name: str, arguments: tuple[int, ...]) -> dict[str, Any]:
    """The task as Celery writes it, in the envelope that kombu reads from a list in Redis. Its own way there makes a client and
    declares the queue for each message: that costs a sign-up as much as its insert."""
    headers, properties, body, _ = app.amqp.as_task_v2(str(uuid4()), name, arguments, ignore_result=True, argsrepr="()")
    return {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            **properties,
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": ROUTES[name]},
            "delivery_mode": 2,
            "delivery_tag": str(uuid4()),
            "priority": 0,
        },
    }


def ping() -> str | None:
    """Why Redis does not answer within two seconds; None when it does."""
    if _probe is None:
        raise RuntimeError("the process was not wired: call wiring.wire(settings) first")
    try:
        _probe.ping()
    except (redis.RedisError, OSError) as error:
        return type(error).__name__
    return None


def lengths() -> dict[str, int] | None:
    """How many bells wait in each queue; None when Redis does not answer."""
    if _probe is None:
        raise RuntimeError("the process was not wired: call wiring.wire(settings) first")
    try:
        return {name: int(_probe.llen(key_of(name))) for name in QUEUES}
    except (redis.RedisError, OSError):
        return None


def use(publisher: Publisher) -> None:
    """Publish through this from now on. The seam at which tests collect what was rung."""
    global _publisher
    _publisher = publisher


def publish(name: str, *arguments: int) -> bool:
    """Ring for a task. False, and a line in the log, when the bell could not be rung: the sweep will find the row. What is rung together
    with others is rung in a moment, and only the log says if it could not be."""
    if _publisher is None:
        raise RuntimeError("the process was not wired: call wiring.wire(settings) first")
    return _ring(_publisher, name, arguments)


def _ring(publisher: Publisher, name: str, arguments: tuple[int, ...]) -> bool:
    try:
        publisher(name, arguments)
    except (redis.RedisError, OSError) as error:
        log.warning("bell not rung", task=name, error=type(error).__name__)
        return False
    return True
