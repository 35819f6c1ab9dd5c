"""Readers' pages while Redis or PostgreSQL is killed, frozen, full or restarted: an answer within ten seconds, and a true one."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from service.lab.faults.machine import Machine, _descendants, wait_until
from service.lab.faults.sizes import chosen
from tests.hurt.acts import Answer, Readers, Round, answers_again

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * chosen().patience)]

FROZEN, FROZEN_SHORT = 75, 6


def test_when_nothing_is_hurt_every_act_is_done(readers: Readers) -> None:
    answers = readers.ready().run()
    assert [one.act for one in answers if not one.good] == []
    assert checked(answers) == []


@pytest.mark.long
def test_a_redis_that_is_killed_again_and_again_hurts_no_reader(hurt_machine: Machine, readers: Readers) -> None:
    rounds = [readers.ready() for _ in range(3)]
    answers = []
    for one in rounds:
        with suppress(ProcessLookupError):
            os.kill(hurt_machine.servers.broker(), signal.SIGKILL)
        answers += one.run()
    assert [one.act for one in answers if not one.good] == [], "no act needs Redis"
    assert checked(answers) == []


def test_a_frozen_redis_hurts_no_reader(hurt_machine: Machine, readers: Readers, is_long: bool) -> None:
    rounds = [readers.ready() for _ in range(12 if is_long else 2)]
    answers = []
    with frozen([hurt_machine.servers.broker()]):
        for one in spread(rounds, FROZEN if is_long else FROZEN_SHORT):
            answers += one()
    assert [one.act for one in answers if not one.good] == [], "no act needs Redis"
    assert checked(answers) == []


@pytest.mark.long
def test_a_redis_without_memory_hurts_no_reader(hurt_machine: Machine, readers: Readers) -> None:
    one = readers.ready()
    with hurt_machine.redis() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        try:
            with pytest.raises(Exception, match=r"OOM|maxmemory"):
                client.set("more", "x" * 1000)
            answers = one.run()
        finally:
            client.config_set("maxmemory", "0")
    assert [one.act for one in answers if not one.good] == [], "no act needs Redis"
    assert checked(answers) == []


def test_a_postgresql_that_is_restarted_at_once_makes_no_page_lie(
    hurt_machine: Machine, readers: Readers, is_long: bool
) -> None:
    rounds = [readers.ready() for _ in range(12 if is_long else 4)]
    answers: list[Answer] = []
    for number, one in enumerate(rounds):
        if number % 2 == 0:
            wait_until(lambda: answers_again(hurt_machine), 60, "PostgreSQL")
            os.kill(postmaster(hurt_machine), signal.SIGQUIT)  # what `pg_ctl restart -m immediate` begins with
        answers += one.run()
    wait_until(lambda: answers_again(hurt_machine), 60, "PostgreSQL")
    assert checked(answers) == []
    assert any(one.status == 503 for one in answers), "else nothing was hurt"


def test_a_frozen_postgresql_keeps_no_reader_waiting_and_makes_no_page_lie(
    hurt_machine: Machine, readers: Readers, is_long: bool
) -> None:
    rounds = [readers.ready() for _ in range(6 if is_long else 2)]
    answers: list[Answer] = []
    with frozen(postgresql(hurt_machine)):
        for one in rounds:
            answers += one.run()
    wait_until(lambda: answers_again(hurt_machine), 60, "PostgreSQL")
    time.sleep(1)  # what was asked of the frozen server is done now, or never
    assert checked(answers) == []
    assert {one.status for one in answers if one.was_done} == {503}


@pytest.mark.long
def test_a_postgresql_that_freezes_in_the_middle_of_the_acts_makes_no_page_lie(
    hurt_machine: Machine, readers: Readers, is_long: bool
) -> None:
    rounds = [readers.ready() for _ in range(12 if is_long else 3)]
    answers: list[Answer] = []
    for number, one in enumerate(rounds):
        with frozen_later(hurt_machine, after=0.01 * (1 + 2 * number), seconds=8):
            answers += one.run()
        wait_until(lambda: answers_again(hurt_machine), 60, "PostgreSQL")
    time.sleep(1)
    assert checked(answers) == []


def checked(answers: list[Answer]) -> list[str]:
    for one in answers:
        print(f"{one.act}: {one.status} after {one.seconds:.2f} s")
    return [fault for one in answers for fault in one.faults()]


def spread(rounds: list[Round], seconds: float) -> Iterator[Callable[[], list[Answer]]]:
    """The rounds over so many seconds."""
    until = time.monotonic() + seconds
    for number, one in enumerate(rounds, 1):
        yield one.run
        time.sleep(max(0.0, (until - time.monotonic()) / (len(rounds) - number + 1)))


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def frozen_later(machine: Machine, *, after: float, seconds: float) -> Iterator[None]:
    def freeze() -> None:
        with frozen(postgresql(machine)):
            time.sleep(seconds)

    timer = threading.Timer(after, freeze)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def postmaster(machine: Machine) -> int:
    (pid_file,) = Path(machine.home).rglob("postmaster.pid")
    return int(pid_file.read_text().splitlines()[0])


def postgresql(machine: Machine) -> list[int]:
    """The server and all its processes: none of them answers."""
    first = postmaster(machine)
    return [first, *_descendants(first)]
