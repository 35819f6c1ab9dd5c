"""What the benchmarks share: a fresh installation with everything running, a newsletter's real form, the machine they ran on.
Refuses an installation that exists: benchmarks fill a database with readers who are none."""

import html
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service import settings
from service.errors import BroadsheetError
from service.operations import newsletter_making, newsletter_settings
from service.operations.limits import FASTEST_PERSON
from service.running import everything
from service.settings import ROOT, Settings
from service.variables import VARIABLES

SLUG = "benchmark"
_TICKET = re.compile(r'name="form" value="([^"]+)"')
_BOX = re.compile(r'name="newsletter" type="checkbox" value="([^"]+)"')


@dataclass(frozen=True)
class Form:
    """A form that was looked at long enough to be taken for a person's."""

    fields: tuple[tuple[str, str], ...]


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))


@contextmanager
def fresh(home: Path, **words: str) -> Iterator[Settings]:
    """Everything running on embedded servers and the sandbox in a new home, with these variables and no others of ours."""
    ours = {variable.name for variable in VARIABLES}
    environ = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours}
    # The load comes from many networks, as behind a proxy.
    environ |= {"BROADSHEET_HOME": str(home), "TRUSTED_PROXIES": "1", **words}
    with everything(settings.load(environ), any_ports=True) as up:
        yield up.settings


def a_newsletter() -> int:
    """A newsletter that takes sign-ups."""
    newsletter_id = newsletter_making.create_newsletter(
        SLUG,
        name="Benchmark Letter",
        sender_address="letter@harbour-lane.example",
        postal_address="Harbour & Lane LLP, 3 Grain Quay, Northmere",
        actor="bench",
    )
    newsletter_settings.change(SLUG, actor="bench", accepts_signups=True)
    return newsletter_id


def form(chosen: Settings) -> Form:
    """The newsletter's form as a browser gets it, after the time that a person needs. Raises BroadsheetError."""
    with _OPENER.open(f"{chosen.public_url}/n/{SLUG}", timeout=30) as answer:
        page = answer.read().decode()
    ticket, box = _TICKET.search(page), _BOX.search(page)
    if ticket is None or box is None:
        raise BroadsheetError("The newsletter's page shows no sign-up form.")
    time.sleep(FASTEST_PERSON.total_seconds() + 0.5)
    return Form((("form", html.unescape(ticket[1])), ("newsletter", html.unescape(box[1]))))


def sign_up(chosen: Settings, form: Form, number: int) -> int:
    """Send the form for one synthetic reader. Returns the status."""
    data = urllib.parse.urlencode([*form.fields, ("address", f"reader{number}@signups.example")]).encode()
    headers = {"X-Forwarded-For": f"172.{number // 250 % 250}.{number % 250}.1", "User-Agent": "Firefox/132.0"}
    request = urllib.request.Request(f"{chosen.public_url}/subscribe", data=data, headers=headers)
    try:
        with _OPENER.open(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def load(chosen: Settings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Run a load in a process of its own. Raises BroadsheetError."""
    done = subprocess.run(
        [sys.executable, "-m", "service.lab.load"],
        input=json.dumps({"host": "127.0.0.1", "port": chosen.port, **job}).encode(),
        cwd=ROOT,
        capture_output=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise BroadsheetError(f"The load failed: {done.stderr.decode(errors='replace').strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def beside_healthz(
    chosen: Settings, job: Mapping[str, Any], *, called: str, right: str, connections: int, seconds: float
) -> dict[str, Any]:
    """What a load comes to, its answers under the name `called`, and /healthz of the same server just before. Raises BroadsheetError
    when an answer has not the `right` status."""
    size = {"connections": connections, "seconds": seconds}
    yardstick = load(chosen, {"kind": "get", "path": "/healthz", **size})
    found = load(chosen, {**job, **size})
    for name, one, status in (("/healthz", yardstick, "200"), (called, found, right)):
        if set(one["statuses"]) != {status}:
            raise BroadsheetError(f"{name} was answered {one['statuses']} where only {status} is right.")
    healthz, asked = (one["asked"] / one["elapsed"] for one in (yardstick, found))
    return {
        called: found["asked"],
        f"{called}_per_second": round(asked, 1),
        "p50_ms": round(percentile(found["seconds"], 0.5) * 1000, 1),
        "p99_ms": round(percentile(found["seconds"], 0.99) * 1000, 1),
        "healthz_per_second": round(healthz, 1),
        "ratio": round(asked / healthz, 3),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all is not above."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "python": platform.python_version(),
        "load_before": load_average(),
    }


def load_average() -> float:
    """Of the last minute: on a machine that others use too, only the share of the yardstick counts."""
    return round(os.getloadavg()[0], 2)
