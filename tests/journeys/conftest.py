"""Journeys may use a real browser, too."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import look
from tests.journeys.looking import Walk

__all__ = ["look"]


@pytest.fixture
def walk(chromium: Browser) -> Iterator[Callable[[str], Walk]]:
    opened = []

    def begin(name: str) -> Walk:
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        opened.append(context)
        return Walk(context.new_page(), name)

    yield begin
    for context in opened:
        context.close()
