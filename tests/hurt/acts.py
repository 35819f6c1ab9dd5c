"""What readers do on the pages while servers are hurt: each act with its answer, how long that took, and a look into the database
for whether it was done."""

import http.client
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from service.lab import readers as lab_readers
from service.lab.faults.machine import Machine, wait_until
from service.operations import linking, newsletter_settings
from service.tokens import Purpose, Signer, email_key
from tests.web.browsing import Page, Person

LONGEST = 10.0
NOTHING = "Nothing was changed"
UNSURE = "It is not certain whether this was done"
NOT_SHOWN = "This page cannot be shown just now"


@dataclass(frozen=True)
class Answer:
    """`was_done`: asked of the database, once it answers again; None for what changes nothing."""

    act: str
    status: int
    seconds: float
    said: str
    retry_after: str | None
    was_done: Callable[[], bool] | None

    @property
    def good(self) -> bool:
        return self.status == 200

    def faults(self) -> list[str]:
        """What is wrong with it: too late, another status than it may have, or untrue."""
        found = []
        if self.seconds > LONGEST:
            found.append(f"{self.act}: {self.seconds:.1f} s")
        if self.status not in (200, 503):
            found.append(f"{self.act}: {self.status} {self.said[:200]}")
        if self.status == 503:
            words = (UNSURE, NOT_SHOWN) if self.was_done is None else (NOTHING, UNSURE, NOT_SHOWN)
            if not any(one in self.said for one in words) or self.retry_after is None:
                found.append(f"{self.act}: no advice: {self.said[:200]}")
        if self.was_done is not None:
            done = self.was_done()
            if self.good and not done:
                found.append(f"{self.act}: said to be done, and was not")
            if NOTHING in self.said and done:
                found.append(f"{self.act}: said not to be done, and was")
        return found


class Readers:
    """A newsletter's readers, each used for one act."""

    def __init__(self, machine: Machine, newsletter: int) -> None:
        self.machine, self.site = machine, machine.settings.public_url
        newsletter_settings.change("monthly", actor="test", accepts_signups=True)
        self._signer = Signer(Purpose.LEAVE)
        rows = machine.sql(
            """SELECT n.id, s.id, s.address FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
               WHERE n.newsletter_id = %s AND n.state = 'active' ORDER BY n.id""",
            newsletter,
        )
        self._rows = iter(rows)
        self._numbers = itertools.count(1)

    def forget_the_network(self) -> None:
        """All these readers come from this machine, which may not ask so often."""
        for table in ("signups", "link_requests"):
            self.machine.sql(f"UPDATE {table} SET network = '198.51.100.0/24'")

    def ready(self) -> "Round":
        """Readers at each of the pages, before anything is hurt."""
        self.forget_the_network()
        return Round(self)

    def leaver(self) -> tuple[int, str]:
        subscription, _, _ = next(self._rows)
        return subscription, self._signer.sign(subscription)

    def at_preferences(self) -> tuple[int, Person, Page]:
        """A reader who has opened a mailed link."""
        _, subscriber, address = next(self._rows)
        linking.request_for_address(address, language="en", network=f"203.0.113.{next(self._numbers) % 250}")
        link: list[int] = []

        def mailed() -> bool:
            link[:] = [row[0] for row in self.machine.sql("SELECT id FROM links WHERE subscriber_id = %s", subscriber)]
            return bool(link)

        wait_until(mailed, self.machine.size.patience, "the link", 0.2)
        token = Signer(Purpose.MANAGE).sign(link[-1])
        person = Person()
        return subscriber, person, person.press(person.get(f"{self.site}/m/{token}"), token)

    def name(self) -> str:
        return f"Hurt{time.time_ns()}"


class Round:
    """Seven acts, all at once."""

    def __init__(self, readers: Readers) -> None:
        self._readers, self._site = readers, readers.site
        self._signing_up, self._asking, self._leaving = Person(), Person(), Person()
        self._form = self._signing_up.get(f"{self._site}/n/monthly")
        self._ask = self._asking.get(f"{self._site}/manage")
        self._page_leaver, token = readers.leaver()
        self._page = self._leaving.get(f"{self._site}/u/{token}")
        self._page_token = token
        self._one_click, self._token = readers.leaver()
        self._subscriber, self._chooser, self._preferences = readers.at_preferences()
        time.sleep(2.1)  # a form that comes back sooner was filled in by a program

    def run(self) -> list[Answer]:
        acts = (
            self._look, self._sign_up, self._post_one_click, self._look_at_leaving, self._leave, self._ask_for_link, self._save
        )  # fmt: skip
        with ThreadPoolExecutor(len(acts)) as pool:
            return [one.result() for one in [pool.submit(act) for act in acts]]

    def _look(self) -> Answer:
        return _timed("look at the form", lambda: Person().get(f"{self._site}/n/monthly"), None)

    def _look_at_leaving(self) -> Answer:
        return _timed("look at the leave page", lambda: Person().get(f"{self._site}/u/{self._page_token}"), None)

    def _sign_up(self) -> Answer:
        address = f"{self._readers.name().lower()}@{lab_readers.DOMAINS[0]}"

        def act() -> Page:
            return self._signing_up.press(self._form, "/subscribe", address=address, **_ticked(self._form))

        return _timed("sign up", act, lambda: self._there("SELECT 1 FROM signups WHERE address = %s", address))

    def _post_one_click(self) -> Answer:
        def act() -> Page:
            connection = http.client.HTTPConnection("127.0.0.1", self._readers.machine.settings.port, timeout=60)
            try:
                form = {"Content-Type": "application/x-www-form-urlencoded"}
                connection.request("POST", f"/u/{self._token}", body="List-Unsubscribe=One-Click", headers=form)
                answer = connection.getresponse()
                return Page(answer.status, f"<p>{answer.read().decode()}</p>", answer.headers, "")
            finally:
                connection.close()

        return _timed("one-click", act, lambda: self._left(self._one_click))

    def _leave(self) -> Answer:
        def act() -> Page:
            return self._leaving.press(self._page, self._page_token)

        return _timed("leave", act, lambda: self._left(self._page_leaver))

    def _ask_for_link(self) -> Answer:
        address = f"{self._readers.name().lower()}@{lab_readers.DOMAINS[0]}"

        def act() -> Page:
            return self._asking.press(self._ask, "/manage", address=address)

        return _timed(
            "ask for a link",
            act,
            lambda: self._there("SELECT 1 FROM link_requests WHERE email_key = %s", email_key(address)),
        )

    def _save(self) -> Answer:
        name = self._readers.name()

        def act() -> Page:
            return self._chooser.press(self._preferences, "/preferences", first_name=name)

        saved = "SELECT 1 FROM subscribers WHERE id = %s AND first_name = %s"
        return _timed("save preferences", act, lambda: self._there(saved, self._subscriber, name))

    def _left(self, subscription: int) -> bool:
        return self._there("SELECT 1 FROM subscriptions WHERE id = %s AND state = 'unsubscribed'", subscription)

    def _there(self, question: str, *values: object) -> bool:
        return bool(self._readers.machine.sql(question, *values))


def _ticked(form: Page) -> dict[str, str]:
    """The boxes that a sign-up needs."""
    boxes = form.tree.xpath("//form[contains(@action, '/subscribe')]//input[@type='checkbox' and @required]")
    return {str(box.get("name")): str(box.get("value") or "on") for box in boxes}


def _timed(act: str, do: Callable[[], Page], was_done: Callable[[], bool] | None) -> Answer:
    started = time.monotonic()
    page = do()
    return Answer(act, page.status, time.monotonic() - started, page.said, page.headers.get("Retry-After"), was_done)


def answers_again(machine: Machine) -> bool:
    """Whether PostgreSQL takes questions."""
    try:
        return bool(machine.sql("SELECT 1"))
    except psycopg.OperationalError:
        return False
