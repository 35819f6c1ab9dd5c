"""Bells as they travel through a real Valkey: written by the service, read by what workers read with."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
from kombu import Connection, Queue

from service import queue
from service.settings import Settings


@pytest.fixture
def broker(database: Settings) -> Iterator[Connection]:
    """Celery's own connection to the queues, emptied; publishing rings for real."""
    queue.configure(database)
    with queue.make_celery(database).connection_for_read() as connection:
        for name in queue.QUEUES:
            Queue(name)(connection.default_channel).purge()
        yield connection


def heard(broker: Connection, name: str) -> list[Any]:
    """What lies in the queue, as (task, arguments)."""
    found = []
    while (message := Queue(name)(broker.default_channel).get()) is not None:
        message.ack()
        found.append((message.headers["task"], message.payload[0]))
    return found


def test_every_bell_lies_in_the_queue_that_its_worker_reads(broker: Connection) -> None:
    for number, name in enumerate(queue.ROUTES):
        assert queue.publish(name, number)
    rung = [bell for name in queue.QUEUES for bell in heard(broker, name)]
    assert sorted(rung) == sorted((name, [number]) for number, name in enumerate(queue.ROUTES))


def test_bells_of_one_queue_are_heard_in_the_order_in_which_they_were_rung(broker: Connection) -> None:
    for number in range(5):
        queue.publish(queue.SEND_MAIL, number)
    assert [arguments for _, arguments in heard(broker, "mail")] == [[0], [1], [2], [3], [4]]


def test_one_bell_that_waits_is_enough_for_what_takes_up_everything(broker: Connection) -> None:
    for _ in range(3):
        assert queue.publish(queue.INGEST_PAYLOADS)
    assert heard(broker, "tracking") == [(queue.INGEST_PAYLOADS, [])]
    assert queue.publish(queue.INGEST_PAYLOADS), "whoever heard the last may have looked before"
    assert heard(broker, "tracking") == [(queue.INGEST_PAYLOADS, [])]


def test_what_takes_up_everything_is_alone_in_its_queue() -> None:
    for name in queue.ONE_IS_ENOUGH:
        assert [other for other, where in queue.ROUTES.items() if where == queue.ROUTES[name]] == [name]


def test_the_first_bell_after_redis_closed_its_connections_is_rung(broker: Connection, database: Settings) -> None:
    assert queue.publish(queue.SEND_MAIL, 1)
    with redis.Redis.from_url(database.redis_url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert queue.publish(queue.SEND_MAIL, 2)


def test_a_frozen_redis_holds_a_reader_up_for_seconds_only(database: Settings) -> None:
    """It takes the connection and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        queue.configure(replace(database, redis_url=f"redis://127.0.0.1:{frozen.getsockname()[1]}/0"))
        started = time.monotonic()
        assert not queue.publish(queue.SEND_MAIL, 1)
        assert time.monotonic() - started < 8


def test_an_acknowledgement_that_redis_does_not_take_keeps_no_worker_from_the_next_bell(
    broker: Connection, database: Settings
) -> None:
    channel: Any = broker.default_channel
    channel.basic_qos(0, 1, False)
    queue.publish(queue.SEND_MAIL, 1)
    message = Queue("mail")(channel).get()
    assert message is not None
    assert not channel.qos.can_consume(), "one at a time"
    with redis.Redis.from_url(database.redis_url) as client:
        client.execute_command("CLIENT", "PAUSE", "20000", "WRITE")
        try:
            with pytest.raises(redis.TimeoutError):
                message.ack()
        finally:
            client.execute_command("CLIENT", "UNPAUSE")
    assert channel.qos.can_consume()
