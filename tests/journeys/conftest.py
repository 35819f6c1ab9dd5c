"""Journeys may use a real browser, too."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import look
from tests.journeys.looking import Walk

__all__ = ["look"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where the run's pictures are kept: BROADSHEET_PICTURES, or else with the run's own files."""
    folder = Path(os.environ.get("BROADSHEET_PICTURES") or tmp_path / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def walk(chromium: Browser, pictures: Path) -> Iterator[Callable[[str], Walk]]:
    opened = []

    def begin(name: str) -> Walk:
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        opened.append(context)
        return Walk(context.new_page(), pictures, name)

    yield begin
    for context in opened:
        context.close()
