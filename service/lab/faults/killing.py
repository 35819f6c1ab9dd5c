"""F1: processes killed at every point. F2: processes stopped there, for longer than their lease, and let go on. F3: a web process
killed between a commit and its bell. F11: everything restarted in order, beside a migration, in the middle of an issue."""

import http.client
import json
import signal
import time
import urllib.parse
import urllib.request
from contextlib import suppress

from service.lab import bench
from service.lab.faults import points
from service.lab.faults.issues import Sending
from service.lab.faults.machine import wait_until
from service.lab.faults.run import Run, UnprovedError, patiently
from service.operations import sending as sending_operations
from service.running import wait_for_sandbox

MULTIPLES = (1.1, 2, 10)
"""Of the lease, for which a process is stopped."""


def killed_at_a_point(run: Run) -> None:
    """F1."""
    point = points.POINTS[run.seed % len(points.POINTS)]
    do = run.rng.choice((points.KILL, points.KILL_ALL))
    run.notes["point"] = point
    _at(run, point, do)


def stopped_at_a_point(run: Run) -> None:
    """F2: after the lease somebody else may have the batch, and what the stopped process says then must count for nothing."""
    point = points.SENDING[run.seed % len(points.SENDING)]
    multiple = MULTIPLES[run.seed // len(points.SENDING) % len(MULTIPLES)]
    run.notes |= {"point": point, "leases": multiple}
    _at(run, point, points.STOP)
    time.sleep(multiple * sending_operations.LEASE.total_seconds() * run.pace)
    points.let_go(run.machine.points, point)


def _at(run: Run, point: str, do: str) -> None:
    if point in points.PREPARING:
        run.script()
        run.hurt(point, do)
        run.send()
    elif point in points.OTHERS:
        lost = [{"when": {"nth": run.rng.randint(1, 5)}, "do": "drop-after-accept"}]
        run.script(rules=lost, events={"enabled": True, "delay_ms": 1500 if point == "in_resolver" else 150})
        if point == "in_reaper":
            run.hurt("after_arm", points.KILL)
        run.hurt(point, do)
        run.send()
        if point == "in_reaper":
            run.wait_for_hurt("after_arm")
    else:
        run.script()
        sending = run.send()
        run.somewhere(sending)
        run.hurt(point, do)
    run.wait_for_hurt(point)


def web_killed_before_the_bell(run: Run) -> None:
    """F3: the sign-up is kept, its bell is lost; the sweep finds it within a minute."""
    run.script(events={"enabled": False})
    sending = run.send()
    run.somewhere(sending)
    number = run.number()
    wait_for_sandbox(run.machine.settings, run.machine.size.patience)  # a webhook's bell would be killed instead
    run.hurt(points.PUBLISHING, run.rng.choice((points.KILL, points.KILL_ALL)))
    started = time.monotonic()
    wait_until(lambda: _signs_up(run, number), run.machine.size.patience, "a sign-up in which the web dies", 0.3)
    run.wait_for_hurt(points.PUBLISHING)
    address = f"reader{number}@signups.example"
    if not patiently(lambda: run.machine.sql("SELECT 1 FROM signups WHERE address = %s", address)):
        raise UnprovedError("the web was killed before it had kept the sign-up")
    wait_until(lambda: _mails(run, address), 60, "the confirmation mail of a sign-up whose bell was lost", 0.1)
    run.notes["mailed_after"] = round(time.monotonic() - started, 1)


def _signs_up(run: Run, number: int) -> bool:
    """Whether it was this sign-up's web process that died; one that is not back yet from the last run takes none."""
    with suppress(OSError, http.client.HTTPException):
        bench.sign_up(run.machine.settings, run.form, number)
    return points.taken(run.machine.points, points.PUBLISHING).exists()


def _mails(run: Run, address: str) -> int:
    query = urllib.parse.urlencode({"to": address})
    url = f"http://127.0.0.1:{run.machine.settings.sandbox_port}/sandbox/messages?{query}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return len(json.load(answer))


def restarted_in_order(run: Run) -> None:
    """F11: a migration that adds something, then every process by SIGTERM, one after the other; none is missed meanwhile."""
    run.script(latency_ms=1000)  # the restarts take seconds, and the issue is to last as long
    sending = run.send()
    run.somewhere(sending, 0.3)
    column = f"scratch_{run.seed}"
    patiently(lambda: run.machine.sql(f"ALTER TABLE deliveries ADD COLUMN {column} int"))
    try:
        for name in ("sending", "tracking", "default", "mail", "web", "beat", "sending"):
            _restart(run, name, sending)
    finally:
        patiently(lambda: run.machine.sql(f"ALTER TABLE deliveries DROP COLUMN {column}"))


def _restart(run: Run, name: str, sending: Sending) -> None:
    pid = run.machine.send_signal(name, signal.SIGTERM)
    run.killed()
    wait_until(lambda: (now := run.machine.processes(name)) and pid not in now, 60, f"{name} to be there again", 0.1)
    run.notes["pending_at_the_last"] = sending.count("pending")
