"""Bells as they travel through a real Valkey: written by the service, read by what workers read with."""

import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import redis
from kombu import Connection, Queue

from service import queue, ringing
from service.operations import mailing
from service.running import environment_of
from service.settings import ROOT, Settings


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


def test_every_bell_lies_in_the_queue_that_its_worker_reads(broker: Connection, database: Settings) -> None:
    for number, name in enumerate(queue.ROUTES):
        assert queue.publish(name, number)
    _until_rung(database, queue.ANSWER_SIGNUP)
    rung = [bell for name in queue.QUEUES for bell in heard(broker, name)]
    assert sorted(rung) == sorted((name, [number]) for number, name in enumerate(queue.ROUTES))


def _until_rung(database: Settings, task: str) -> None:
    until = time.monotonic() + 5
    with redis.Redis.from_url(database.redis_url) as client:
        while not any(task.encode() in one for one in client.lrange(queue.key_of("mail"), 0, -1)):
            assert time.monotonic() < until, "it was not rung"
            time.sleep(0.01)


def _bells(broker: Connection, number: int) -> list[list[int]]:
    """The rows that bells for sign-ups were for, once there are so many rows."""
    found: list[list[int]] = []
    until = time.monotonic() + 5
    while sum(map(len, found)) < number:
        assert time.monotonic() < until, found
        found += [arguments for _, arguments in heard(broker, "mail")]
        time.sleep(0.01)
    return found


def test_the_first_sign_up_is_rung_for_at_once_and_those_at_once_together(
    broker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ringing, "PAUSE", 0.5)
    started = time.monotonic()
    queue.publish(queue.ANSWER_SIGNUP, 1)
    assert _bells(broker, 1) == [[1]]
    for number in range(2, 47):
        queue.publish(queue.ANSWER_SIGNUP, number)
    assert time.monotonic() - started < 0.4, "whoever rings does not wait"
    bells = _bells(broker, 45)
    assert bells == [[*range(2, 22)], [*range(22, 42)], [*range(42, 47)]]


def test_a_child_rings_for_itself(broker: Connection) -> None:
    queue.publish(queue.ANSWER_SIGNUP, 1)
    assert _bells(broker, 1) == [[1]]
    child = multiprocessing.get_context("fork").Process(target=_ring_and_end, args=(2,))
    child.start()
    child.join(10)
    assert child.exitcode == 0
    assert _bells(broker, 1) == [[2]]


def _ring_and_end(number: int) -> None:
    queue.publish(queue.ANSWER_SIGNUP, number)
    time.sleep(0.3)


def test_what_was_not_rung_yet_is_rung_as_a_process_ends(broker: Connection, database: Settings) -> None:
    program = """if True:
        from service import queue, ringing, settings
        ringing.PAUSE = 60
        queue.configure(settings.load())
        for number in (1, 2, 3):
            queue.publish(queue.ANSWER_SIGNUP, number)
            __import__("time").sleep(0.2 if number == 1 else 0)
    """
    given = {**os.environ, **environment_of(database)}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=given, check=True, timeout=30)
    assert _bells(broker, 3) == [[1], [2, 3]]


def test_a_bell_that_cannot_be_rung_is_a_line_in_the_log_and_the_next_is_rung(
    broker: Connection, database: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    rung: list[tuple[int, ...]] = []

    def ring(_name: str, numbers: tuple[int, ...]) -> None:
        rung.append(numbers)
        if len(rung) <= 2:
            raise (redis.ConnectionError if len(rung) == 1 else ZeroDivisionError)

    together = ringing.Together(partial(queue._ring, ring))
    until = time.monotonic() + 5
    together.add(queue.ANSWER_SIGNUP, 1)
    while not rung and time.monotonic() < until:
        time.sleep(0.01)
    together.add(queue.ANSWER_SIGNUP, 2)
    while sum(map(len, rung)) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    for number in (3, 4):
        together.add(queue.ANSWER_SIGNUP, number)
        while sum(map(len, rung)) < number and time.monotonic() < until:
            time.sleep(0.01)
    assert sorted(number for numbers in rung for number in numbers) == [1, 2, 3, 4]
    assert caplog.text.count("bell not rung") == 2
    assert "ZeroDivisionError" in caplog.text


def test_a_sign_up_whose_answer_fails_keeps_no_other_from_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = []

    def answer(signup_id: int) -> None:
        if signup_id == 2:
            raise ZeroDivisionError
        answered.append(signup_id)

    monkeypatch.setattr(mailing, "answer_signup", answer)
    with pytest.raises(ZeroDivisionError):
        mailing.answer_signups([1, 2, 3])
    assert answered == [1, 3]


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
