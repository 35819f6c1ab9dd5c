"""Shows the whole main job on this machine: a letter, synthetic readers, a provider that stumbles, and a ledger that closes
all the same. Uses nothing that a team could not use."""

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service import settings
from service.lab import readers
from service.operations import authoring, importing, newsletter_making, reporting, scheduling, suppressing
from service.running import everything, wait_for_sandbox
from service.settings import Settings
from service.tokens import Purpose, Signer

SAMPLE = Path(__file__).parent / "sample" / "letter.md"
ACTOR = "demo"
_SET_BY_DEMO = (
    "DATABASE_URL",
    "REDIS_URL",
    "PUBLIC_URL",
    "SENDGRID_API_KEY",
    "SECRET_KEYS",
    "ADDRESS_KEY",
    "BROADSHEET_SANDBOX",
    "SENDGRID_BATCH_SIZE",
)


@dataclass
class Demo:
    """A running demo; `found` is what `issue show` gives, with the sandbox's counts and the seconds of each phase."""

    settings: Settings
    found: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 2)


def settings_for(home: Path, number: int) -> Settings:
    """Settings of a demo: embedded, in the sandbox, whatever the environment says; some twenty batches to look at."""
    environ = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in _SET_BY_DEMO}
    environ |= {"BROADSHEET_HOME": str(home), "SENDGRID_BATCH_SIZE": str(min(1000, max(20, number // 20)))}
    return settings.load(environ)


@contextmanager
def running(
    home: Path, number: int, watch: Callable[[int], dict[str, Any]], say: Callable[[str], None]
) -> Iterator[Demo]:
    """Run the demo; whatever it started runs until leaving."""
    started = time.monotonic()
    with everything(settings_for(home, number), announce=True, any_ports=True) as up:
        demo = Demo(up.settings)
        demo.seconds["start"] = round(time.monotonic() - started, 2)
        say(f"Everything runs: web {up.settings.public_url}, sandbox http://127.0.0.1:{up.settings.sandbox_port}/")
        _run(demo, number, watch, say)
        yield demo


def _run(demo: Demo, number: int, watch: Callable[[int], dict[str, Any]], say: Callable[[str], None]) -> None:
    _stumble(demo.settings)
    with demo.phase("import"):
        newsletter = newsletter_making.create_newsletter(
            "data-letter",
            name="Data Letter",
            sender_address="letter@harbour-lane.example",
            sender_name="Harbour & Lane",
            postal_address="Harbour & Lane LLP, 3 Grain Quay, Northmere",
            actor=ACTOR,
        )
        people = demo.settings.home / "readers.csv"
        readers.write(people, number)
        report = importing.import_subscribers(
            people,
            newsletter_id=newsletter,
            consent="Signed up at the demo's imaginary reception",
            tracking_consent="Ticked the second box",
        )
        addresses = [row["email"] for row in readers.synthetic(number)]
        suppressing.suppress_addresses(
            addresses[5 :: max(10, number // 10)], reason="demo: asked by letter", actor=ACTOR
        )
    say(f"{report.added:,} readers imported, some of them suppressed, some without tracking consent.")
    with demo.phase("render"):
        issue, rendered = authoring.create_issue(authoring.read_source(SAMPLE), newsletter_id=newsletter, actor=ACTOR)
    say(
        f"“{authoring.without_reader(rendered, rendered.subject)}” rendered: HTML {len(rendered.html.encode()) / 1024:.0f} KB, text {len(rendered.text.encode()) / 1024:.0f} KB."
    )
    with demo.phase("send"):
        scheduling.schedule(issue, actor=ACTOR)
        leaver = threading.Thread(target=_leave_in_between, args=(demo.settings, issue, number))
        leaver.start()
        watch(issue)
        leaver.join()
    with demo.phase("events"):
        wait_for_sandbox(demo.settings, 120)
    demo.found = reporting.show(issue) | {"seconds": demo.seconds, "sandbox": _stats(demo.settings)}


def _stumble(chosen: Settings) -> None:
    """As on a bad day: answers take a moment, one request is throttled, and the answer to another is lost on the way."""
    ask_sandbox(
        chosen,
        "/sandbox/script",
        {
            "latency_ms": 100,
            "rules": [
                {"when": {"nth": 3}, "do": "429", "reset_in": 1},
                {"when": {"nth": 6}, "do": "drop-after-accept"},
            ],
        },
    )


def _leave_in_between(chosen: Settings, issue: int, number: int) -> None:
    """Some of the last readers press the leave link of an earlier letter while this one is being sent."""
    while reporting.show(issue)["issue"]["state"] in ("scheduled", "preparing"):
        time.sleep(0.05)
    signer = Signer(Purpose.LEAVE)
    for subscription in reporting.latest_subscriptions(issue, max(2, number // 100)):
        request = urllib.request.Request(
            f"{chosen.public_url}/u/{signer.sign(subscription)}", data=b"List-Unsubscribe=One-Click", method="POST"
        )
        with _opener().open(request, timeout=30):
            pass


def _stats(chosen: Settings) -> dict[str, int]:
    found: dict[str, int] = ask_sandbox(chosen, "/sandbox/stats")
    return found


def ask_sandbox(chosen: Settings, path: str, body: object = None) -> Any:
    """A question to the sandbox's own routes, or with a body an order."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{chosen.sandbox_port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with _opener().open(request, timeout=60) as answer:
        return json.load(answer)


def _opener() -> urllib.request.OpenerDirector:
    """Without the environment's proxy: all of this is on this machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
