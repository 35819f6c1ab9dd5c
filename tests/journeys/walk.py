"""A reader on their way through pages and mails, and what is looked at wherever they arrive."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from playwright.sync_api import expect

from service.languages import say
from service.operations.limits import FASTEST_PERSON
from tests.browser.conftest import Look, Open
from tests.conftest import Sandbox
from tests.journeys import inspection
from tests.journeys.hands import Hands
from tests.web.signups import Sql

LOCALES = {"en": "en-GB", "zh-Hans": "zh-CN"}
PHONE = {"width": 375, "height": 800}
_READ_FOR = "performance.now() - performance.getEntriesByType('navigation')[0].responseStart"


@dataclass
class Walk:
    """`hands` work the page that is `seen` in the reader's browser; `script` says whether it runs any."""

    web: str
    sandbox: Sandbox
    sql: Sql
    drain: Callable[..., int]
    open: Open
    hands: Hands
    script: bool
    language: str
    address: str
    seen: Look
    mails: int = 0

    def browser(self) -> Look:
        """Another browser that speaks the reader's language, and knows nothing of them."""
        return self.open(PHONE["width"], script=self.script, locale=LOCALES[self.language])

    def go(self, path: str) -> None:
        self.seen.page.goto(urljoin(self.web, path))

    def press(self, selector: str) -> None:
        self.hands.press(self.seen.page, selector)

    def write(self, selector: str, text: str) -> None:
        self.hands.write(self.seen.page, selector, text)

    def tick(self, selector: str, *, on: bool = True) -> None:
        self.hands.tick(self.seen.page, selector, on=on)

    def choose(self, selector: str, value: str) -> None:
        self.hands.choose(self.seen.page, selector, value)

    def take_time(self) -> None:
        """Be no faster than a person: what is sent sooner is thanked for and not kept."""
        read_for = self.seen.page.evaluate(_READ_FOR)
        self.seen.page.wait_for_timeout(max(0, FASTEST_PERSON.total_seconds() * 1000 + 50 - read_for))

    def answered(self, status: int) -> None:
        """This answer was due, though a browser notes it as an error."""
        due = f"status of {status}"
        assert any(due in one for one in self.seen.errors), self.seen.errors
        self.seen.errors[:] = [one for one in self.seen.errors if due not in one]

    def arrives(self, text: str, *, at: str = "h1", by: Look | None = None, **values: object) -> None:
        """The page that says this in the reader's language is shown."""
        page = (by or self.seen).page
        expect(page.locator(at)).to_have_text(say(self.language, text, **values))
        page.wait_for_load_state("load")

    def sees(self, text: str, *, at: str = "h1", by: Look | None = None, **values: object) -> None:
        """The page that says this in the reader's language is shown, and all is well with it, whichever it is."""
        self.arrives(text, at=at, by=by, **values)
        look = by or self.seen
        inspection.speaks(look.page, self.language)
        inspection.fits(look.page)
        if self.script:
            inspection.nothing_grave(look.page)
        look.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert (look.errors, look.elsewhere) == ([], [])

    def mail(self, subject: str = "", **values: object) -> dict[str, Any]:
        """The mail that is new in the box, of which there is one, once the workers have done what they were rung for."""
        self.drain()
        box: list[dict[str, Any]] = self.sandbox.messages(self.address)
        assert len(box) == self.mails + 1, [one["subject"] for one in box]
        self.mails += 1
        new = max(box, key=lambda one: float(one["accepted_at"]))
        if subject:
            assert new["subject"] == say(self.language, subject, **values)
            inspection.in_language(new["text"].splitlines(), self.language)
        return new

    def link(self, mail: dict[str, Any], path: str) -> str:
        """The only link of this kind in a mail, the same in both of its parts."""
        found = [set(re.findall(rf"{re.escape(self.web)}/{path}/[\w-]+", mail[part])) for part in ("text", "html")]
        assert found[0] == found[1]
        (link,) = found[0]
        return str(link)
