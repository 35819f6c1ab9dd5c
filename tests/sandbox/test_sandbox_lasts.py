"""What survives `kill -9`, what the home is, and what the sandbox refuses at the start."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.bodies import letter, many
from tests.sandbox.running import Receiver, Sandbox, free_port


@pytest.fixture
def receiver_apart() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def mortal(tmp_path: Path, receiver_apart: Receiver) -> Iterator[Sandbox]:
    """A sandbox of the test's own, that it may kill and start again."""
    sandbox = Sandbox(tmp_path / "home", webhook_url=receiver_apart.url)
    yield sandbox.start()
    sandbox.stop()


def test_no_request_whose_202_was_seen_is_lost_by_a_kill(mortal: Sandbox) -> None:
    mortal.script(events={"enabled": False})
    seen: list[str] = []
    enough = threading.Event()

    def client(number: int) -> None:
        for turn in range(500):
            try:
                answer = mortal.send(many(30, categories=[f"i-{number}-{turn}"]))
            except OSError:
                return
            seen.append(answer.headers["X-Message-Id"])
            if len(seen) >= 40:
                enough.set()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for one in clients:
        one.start()
    assert enough.wait(30)
    mortal.kill()
    for one in clients:
        one.join()
    mortal.start()
    kept = {
        mail["request_id"] for mail in mortal.call("GET", "/sandbox/messages?to=reader7@example.com&limit=1000").json
    }
    assert set(seen) <= kept
    assert len(kept) <= len(seen) + len(clients)
    assert mortal.stats()["recipients"] == 30 * len(kept)


def test_events_not_delivered_yet_survive_a_kill_and_keep_their_ids(mortal: Sandbox, receiver_apart: Receiver) -> None:
    mortal.call("POST", "/sandbox/events", {"hold": True})
    mortal.script(events={"delay_ms": 0, "bounce": 0, "blocked": 0, "deferred": 0})
    mortal.send(letter("ann@example.com"))
    mortal.script(rules=[{"do": "500"}])
    mortal.kill()
    mortal.start()
    mortal.settle()
    assert receiver_apart.kinds("ann@example.com")[:2] == ["processed", "delivered"]
    assert mortal.call("GET", "/sandbox/script").json["rules"] == []
    mortal.call("POST", "/sandbox/events", {"replay": True})
    mortal.settle()
    ids = [event["sg_event_id"] for event in receiver_apart.events()]
    assert len(ids) == 2 * len(set(ids))


def test_a_link_in_an_old_mail_still_leads_there_after_a_restart(mortal: Sandbox) -> None:
    mortal.send(letter("ann@example.com"))
    link = mortal.mails("ann@example.com")[0]["html"].split('href="')[1].split('"')[0]
    mortal.stop()
    mortal.start()
    answer = mortal.call("GET", link.removeprefix(f"http://127.0.0.1:{mortal.port}"))
    assert answer.headers["Location"] == "https://news.example.org/items/one?a=1&b=2"


def test_the_home_is_its_owners_alone(mortal: Sandbox) -> None:
    assert mortal.home.stat().st_mode & 0o777 == 0o700
    assert (mortal.home / "webhook.pem").stat().st_mode & 0o777 == 0o600


def refused(*arguments: str) -> str:
    command = [sys.executable, "-m", "service.sandbox", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0
    return ended.stderr


def test_a_second_sandbox_in_the_same_home_is_refused(mortal: Sandbox) -> None:
    assert "another sandbox is running" in refused("--home", str(mortal.home), "--port", str(free_port()))


def test_it_refuses_to_listen_or_report_anywhere_but_on_this_machine(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    assert "127.0.0.1 only" in refused("--home", home, "--host", "0.0.0.0")
    assert "127.0.0.1 or localhost" in refused("--home", home, "--webhook-url", "http://example.org/hook")
    assert "--home" in refused("--port", "8025")
