"""A real browser, and what a look at a page must not show: errors, blocked parts, requests to elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from service.lab.demo import SAMPLE
from service.operations import authoring, scheduling
from tests import axe
from tests.builders import a_newsletter, readers
from tests.conftest import Sandbox


@dataclass
class Look:
    """A page in the browser, and what went wrong on it since it was opened."""

    page: Page
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def complaints(self) -> list[str]:
        """What is wrong with what is shown now, in words; nothing when all is well."""
        self.page.wait_for_load_state("load")
        found = [f"error: {one}" for one in self.errors] + [f"request to elsewhere: {one}" for one in self.elsewhere]
        wide, narrow = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        if wide > narrow:
            found.append(f"scrolls sideways: {wide} pixels in {narrow}")
        return found + axe.grave(self.page)


Open = Callable[..., Look]


@pytest.fixture
def look(chromium: Browser) -> Iterator[Open]:
    """Open an empty page of a width and a colour scheme, with or without script, in a browser that speaks a language. It
    reaches this machine only."""
    with ExitStack() as stack:

        def opened(width: int = 1280, scheme: str = "light", *, script: bool = True, locale: str | None = None) -> Look:
            return stack.enter_context(_looking(chromium, width, scheme, script=script, locale=locale))

        yield opened


@contextmanager
def _looking(browser: Browser, width: int, scheme: Any, *, script: bool, locale: str | None) -> Iterator[Look]:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=script, locale=locale
    )
    try:
        page = context.new_page()
        seen = Look(page)
        page.on("console", lambda line: seen.errors.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))

        def settle(route: Any) -> None:
            if _is_here(route.request.url):
                route.continue_()
            else:
                seen.elsewhere.append(route.request.url)
                route.abort()

        context.route("**/*", settle)
        yield seen
    finally:
        context.close()


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "about", "blob") or parts.hostname == "127.0.0.1"


@pytest.fixture
def received(web: str, sandbox: Sandbox, drain: Callable[..., int]) -> Callable[[str], dict[str, Any]]:
    """Send the sample letter to one reader; the copy as the sandbox delivered it, pictures served by `web`."""

    def send(tracking: str = "unasked") -> dict[str, Any]:
        newsletter = a_newsletter(name="Data Letter", postal_address="3 Grain Quay, Northmere")
        readers(newsletter, ["mei@readers.example"], tracking=tracking, names={"mei@readers.example": "Mei"})
        issue, _ = authoring.create_issue(authoring.read_source(SAMPLE), newsletter_id=newsletter, actor="test")
        scheduling.schedule(issue, actor="test")
        drain()
        (copy,) = sandbox.messages("mei@readers.example")
        return copy

    return send
