"""The same issue to the same readers, by this service and by another: django-newsletter, installed for the purpose into an environment
that is thrown away. What each hands over is counted where it arrives, ours by HTTP, the other's by SMTP, on this machine."""

import csv
import json
import shutil
import smtplib
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from service.errors import BroadsheetError
from service.lab import bench, bench_render, bench_send, filling, memory
from service.operations import authoring
from service.settings import Settings

PEER = "django-newsletter==1.2.1"
BESIDE = "sorl-thumbnail"
"""It asks for one of two thumbnailers, and installs neither."""
WORKERS = 4
LONGEST = 1800.0
_INSTALLING = 300.0
_SCRIPT = Path(__file__).with_name("peer_django.py")
_AUDIENCE = """
    SELECT s.address, coalesce(s.first_name, '') FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
    WHERE n.newsletter_id = %s AND n.state = 'active' ORDER BY n.id
"""
_CONTENT = "SELECT subject, html FROM variants WHERE issue_id = %s"


class NotInstalledError(Exception):
    """The other service cannot be had here; the text says why."""


def run(home: Path, readers: int, times: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure both. Where the other cannot be installed, ours alone; `skipped` says why. Raises BroadsheetError when one of them
    missed a reader."""
    machine = bench.machine()
    ours, content = _ours(home, readers, times, say)
    say(line("Broadsheet", ours))
    peer, skipped = None, ""
    try:
        python = install(home / "peer")
        peer = theirs([str(python), "-P", str(_SCRIPT)], home, content, ours["readers"], times)
        say(line(PEER, peer))
    except NotInstalledError as error:
        skipped = f"{PEER} is not measured: {error}"
        say(skipped)
    return {
        "readers": ours["readers"],
        "html_kb": round(len(content["html"].encode()) / 1024, 1),
        "ours": ours,
        "peer": peer and {"name": PEER, **peer},
        "skipped": skipped,
        "times_as_fast": round(ours["readers_per_second"] / peer["readers_per_second"], 1) if peer else None,
        "machine": machine | {"load_after": bench.load_average()},
    }


def _ours(home: Path, readers: int, times: int, say: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, str]]:
    """What we measured of ours, and what was sent; the audience stands in the home."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = bench_render.issue()
    with bench_send.sink(0) as port, bench.fresh(home / "ours", **bench_send.real(port, WORKERS, key)) as chosen:
        letter = bench.a_newsletter()
        filling.people(chosen, readers * 50 // 49, letter)
        filling.settle(chosen)
        seconds, found = [], (0, 0, 0)
        with memory.Watch(home / "ours") as watch:
            for number in range(times):
                # The same text again would be the same issue, which has been sent.
                source = authoring.Source(f"{text}\n\nNumber {number}.\n", Path("/nonexistent"))
                issue = authoring.create_issue(source, newsletter_id=letter, actor="bench")[0]
                before = bench_send.ask(port)
                seconds.append(bench_send.send(chosen, issue, say)[1])
                after = bench_send.ask(port)
                found = after[0] - before[0], after[1] - before[1], after[2] - before[2]
        audience = _write_audience(chosen, letter, home / "audience.csv")
        content = _content(chosen, issue)
    if found[1:] != (audience, 0):
        raise BroadsheetError(f"Of {audience:,} readers, {found[1]:,} were handed over, {found[2]:,} of them twice.")
    return _measured(audience, seconds) | {"requests": found[0], "memory_mib": watch.highest()["sending"]}, content


def _measured(readers: int, seconds: Sequence[float]) -> dict[str, Any]:
    middle = statistics.median(seconds)
    return {
        "readers": readers,
        "seconds": round(middle, 3),
        "readers_per_second": round(readers / middle, 1),
        "runs": [round(one, 3) for one in seconds],
    }


def _write_audience(chosen: Settings, letter: int, file: Path) -> int:
    with filling.connected(chosen) as connection, file.open("w", newline="", encoding="utf-8") as into:
        rows = connection.execute(_AUDIENCE, (letter,)).fetchall()
        csv.writer(into).writerows(rows)
    return len(rows)


def _content(chosen: Settings, issue: int) -> dict[str, str]:
    with filling.connected(chosen) as connection:
        subject, html = connection.execute(_CONTENT, (issue,)).fetchone() or ("", "")
    return {"subject": subject, "html": html}


def install(folder: Path) -> Path:
    """The Python of a new environment with the other service in it. Raises NotInstalledError."""
    python = folder / "bin" / "python"
    if uv := shutil.which("uv"):
        commands = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", str(python), PEER, BESIDE],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER, BESIDE],
        ]
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, timeout=_INSTALLING, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotInstalledError(f"it cannot be installed here ({type(error).__name__}).") from error
        if done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            raise NotInstalledError(f"it cannot be installed here: {said[-1] if said else done.returncode}")
    return python


def theirs(command: Sequence[str], home: Path, content: dict[str, str], readers: int, times: int) -> dict[str, Any]:
    """What the other's script measured, each time with a new database. Raises BroadsheetError unless every reader got one mail."""
    told = []
    with bench_send.sink_of("service.lab.smtp_sink") as port:
        for number in range(times):
            job = {
                "audience": str(home / "audience.csv"),
                "database": str(home / f"peer-{number}.sqlite"),
                "port": port,
                "number": number,
                **content,
            }
            told.append(_once(command, job))
            mails, people, _ = count(port)
            if (mails, people) != (readers, readers):
                raise BroadsheetError(f"The other sent {mails:,} mails to {people:,} of {readers:,} readers.")
    return _measured(readers, [one["seconds"] for one in told]) | {
        "versions": told[-1]["versions"],
        "memory_mib": max(one["memory_mib"] for one in told),
    }


def _once(command: Sequence[str], job: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 (the script beside us)
        command, input=json.dumps(job).encode(), capture_output=True, timeout=LONGEST, check=False
    )
    if done.returncode:
        raise BroadsheetError(f"The other failed: {done.stderr.decode(errors='replace').strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def count(port: int) -> tuple[int, int, int]:
    """Mails, readers and bytes since the sink was last asked."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as connection:
        mails, readers, size = map(int, connection.docmd("XCOUNT")[1].split())
        return mails, readers, size


def line(name: str, found: dict[str, Any]) -> str:
    """One line for a person."""
    return (
        f"{name}: {found['readers']:,} readers in {found['seconds']:.2f} s, {found['readers_per_second']:,.0f} readers/s;"
        f" {found['memory_mib']:.0f} MiB"
    )
