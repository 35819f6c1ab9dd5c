"""F4: the broker killed, emptied, frozen, started again with nothing, out of memory. F5: PostgreSQL stopped at once, its
connections ended, read-only, killed. Readers go on signing up and leaving meanwhile, and are told the truth."""

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from service.lab import bench
from service.lab.faults.issues import Sending
from service.lab.faults.machine import wait_until
from service.lab.faults.run import Run, UnprovedError, patiently
from service.tokens import Purpose, Signer

LONGEST = 10.0
"""Seconds within which a reader is answered."""
NOBODY_LEFT = 0
"""Instead of an answer's status: all who could leave have left, and nobody asked."""
PHASES = ("idle", "preparing", "sending")
FREEZE = 75.0
TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def broker_hurt(run: Run) -> None:
    """F4."""
    kinds = (_kill, _flush, _freeze, _restart_empty, _fill)
    kind, phase = kinds[run.seed % len(kinds)], PHASES[(run.seed // len(kinds) + run.seed) % len(PHASES)]
    run.notes |= {"kind": kind.__name__.strip("_"), "phase": phase}
    _hurt_in(run, phase, kind, always_answered=True)


def database_hurt(run: Run) -> None:
    """F5."""
    kinds = (_stop_at_once, _end_connections, _read_only, _kill_database)
    kind, phase = kinds[run.seed % len(kinds)], PHASES[(run.seed // len(kinds) + 2 * run.seed) % len(PHASES)]
    run.notes |= {"kind": kind.__name__.strip("_"), "phase": phase}
    _hurt_in(run, phase, kind, always_answered=False)


def _hurt_in(run: Run, phase: str, hurt: Callable[[Run], None], *, always_answered: bool) -> None:
    run.script()
    first = run.send() if phase == "idle" else None
    if first:
        first.wait_until_sent()
    sending = run.send() if phase != "idle" else None
    if sending and phase == "sending":
        run.somewhere(sending, 0.4)
    visitors = _Visitors(run, always_answered)
    visitors.start()
    run.killed()
    try:
        hurt(run)
        time.sleep(0.5)
    finally:
        visitors.stop()
    if phase == "idle":
        run.send()
    visitors.judge(run.issues[-1])


_ADDRESSES = (
    "SELECT lower(s.address) FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id WHERE n.id = ANY(%s)"
)


@dataclass
class _Visitors:
    """Somebody leaves and somebody signs up, again and again, and each is told the truth within ten seconds."""

    run: Run
    always_answered: bool
    answered: int = 0
    refused: int = 0
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._left: list[int] = []
        self._signed_up: list[int] = []
        self._threads = [threading.Thread(target=self._again, args=(act,)) for act in (self._leave, self._sign_up)]
        self._free = self.run.machine.sql(
            "SELECT id FROM subscriptions WHERE newsletter_id = %s AND state = 'active' ORDER BY id DESC LIMIT 60",
            self.run.newsletter,
        )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _again(self, act: Callable[[], int | None]) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            status, said = None, "nothing"
            try:
                status = act()
            except (OSError, http.client.HTTPException) as error:
                said = repr(error)
            taken = time.monotonic() - started
            self.longest = max(self.longest, taken)
            if taken > LONGEST:
                self.wrong.append(f"{act.__name__.strip('_')} was answered after {taken:.1f} s")
            if status in (200, 303):
                self.answered += 1
            elif status == NOBODY_LEFT:
                self._stop.wait(1)
            elif status == 503 and not self.always_answered:
                self.refused += 1
            elif status is not None or self.always_answered:
                self.wrong.append(f"{act.__name__.strip('_')} was answered {status or said}")
            time.sleep(0.3)

    def _leave(self) -> int | None:
        if not self._free:
            return NOBODY_LEFT
        ((subscription,),) = (self._free.pop(),)
        status = self.run.machine.leave(Signer(Purpose.LEAVE).sign(subscription), timeout=30)
        if status == 200:
            self._left.append(subscription)
        return status

    def _sign_up(self) -> int:
        number = self.run.number()
        status = bench.sign_up(self.run.machine.settings, self.run.form, number)
        if status in (200, 303):
            self._signed_up.append(number)
        return status

    def judge(self, sending: Sending) -> None:
        """Whoever was told that it is done finds it done."""
        machine = self.run.machine
        active = patiently(
            lambda: machine.sql("SELECT id FROM subscriptions WHERE id = ANY(%s) AND state = 'active'", self._left)
        )
        names = [f"reader{number}@signups.example" for number in self._signed_up]
        kept = patiently(
            lambda: machine.sql("SELECT count(DISTINCT address) FROM signups WHERE address = ANY(%s)", names)
        )
        if active:
            self.wrong.append(f"{len(active)} who were told that they had left are still subscribed")
        if kept != [(len(set(names)),)]:
            self.wrong.append(f"{len(set(names))} were thanked for signing up, {kept[0][0]} are kept")
        self.run.notes |= {"answered": self.answered, "refused": self.refused, "longest": round(self.longest, 2)}
        for (address,) in patiently(lambda: machine.sql(_ADDRESSES, self._left)):
            if address not in patiently(sending.books).fates:
                sending.meant.discard(address)  # had left before the freeze
        sending.checks.append(lambda _: [f"told: {words}" for words in self.wrong])
        if not self.answered:
            raise UnprovedError("nobody was answered at all")


def _frozen_for(run: Run) -> float:
    """The freeze of 75 seconds as it is in one run of the five; scaled in the others."""
    return FREEZE if run.seed == 2 else max(3.0, FREEZE * run.pace)


def _kill(run: Run) -> None:
    os.kill(run.machine.servers.broker(), signal.SIGKILL)
    time.sleep(0.5)
    run.machine.servers.revive()
    _wait_for_broker(run)


def _flush(run: Run) -> None:
    with run.machine.redis() as client:
        client.flushall()


def _freeze(run: Run) -> None:
    pid = run.machine.servers.broker()
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(_frozen_for(run))
    finally:
        os.kill(pid, signal.SIGCONT)
    _wait_for_broker(run)


def _restart_empty(run: Run) -> None:
    pid = run.machine.servers.broker()
    os.kill(pid, signal.SIGSTOP)
    run.machine.servers.empty_broker()
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    run.machine.servers.revive()
    _wait_for_broker(run)


def _fill(run: Run) -> None:
    with run.machine.redis() as client:
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", "1mb")
        try:
            time.sleep(3)
        finally:
            client.config_set("maxmemory", before)


def _wait_for_broker(run: Run) -> None:
    def answers() -> bool:
        with suppress(RedisError, OSError, ValueError), run.machine.redis() as client:
            return bool(client.ping())
        return False

    wait_until(answers, run.machine.size.patience, "the broker", 0.2)
    run.machine.rewire()


def _stop_at_once(run: Run) -> None:
    os.kill(run.machine.servers.postgresql(), signal.SIGQUIT)
    _bring_back(run)


def _kill_database(run: Run) -> None:
    os.kill(run.machine.servers.postgresql(), signal.SIGKILL)
    _bring_back(run)


def _bring_back(run: Run) -> None:
    time.sleep(0.5)
    run.machine.servers.revive()
    patiently(lambda: run.machine.sql("SELECT 1"))
    run.machine.rewire()


def _end_connections(run: Run) -> None:
    for n in range(20):
        patiently(lambda: run.machine.sql(TERMINATE))
        time.sleep(0.007 * (n % 5))


def _read_only(run: Run) -> None:
    """As on a standby that was not promoted yet."""
    ((name,),) = run.machine.sql("SELECT current_database()")
    run.machine.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    patiently(lambda: run.machine.sql(TERMINATE))
    try:
        time.sleep(3)
    finally:
        with run.machine.connect() as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())
        patiently(lambda: run.machine.sql(TERMINATE))
