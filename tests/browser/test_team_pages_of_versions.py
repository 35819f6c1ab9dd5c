"""What the team's pages of languages, wordings and the slow search look like, and that they work with and without script."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from service.operations import editing, editing_languages, newsletter_settings
from tests.browser.conftest import Look, Open
from tests.builders import a_newsletter, an_issue, readers
from tests.team import an_operator, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SIZES = [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")]


@pytest.fixture
def issue(web: str) -> int:
    newsletter = a_newsletter()
    readers(newsletter, ["mei@readers.example"])
    newsletter_settings.set_wording("monthly", "newsletter", "en", "I would like to get The Monthly.", actor="test")
    newsletter_settings.set_wording("monthly", "newsletter", "en", "Please send me The Monthly.", actor="test")
    made = an_issue(newsletter)
    editing_languages.add(made, "de", actor="test")
    return made


def enter(web: str, look: Open, width: int, scheme: str, *, script: bool = True) -> Look:
    """A browser in which an owner is signed in."""
    seen = look(width, scheme, script=script)
    sign_in(seen.page.context, web, an_operator())
    return seen


def keep(seen: Look, name: str) -> None:
    """A screenshot, where somebody asks for them."""
    if folder := os.environ.get("BROADSHEET_SCREENSHOTS"):
        seen.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_the_pages_fit_and_can_be_read(web: str, look: Open, issue: int, width: int, scheme: str) -> None:
    seen = enter(web, look, width, scheme)
    for name, path in {
        "wordings": "newsletters/monthly/wordings",
        "editor": f"issues/{issue}/write?language=de",
        "readers": "readers",
        "approval": f"issues/{issue}/approval",
    }.items():
        seen.page.goto(f"{web}/admin/{path}")
        if name == "readers":
            assert not seen.page.is_visible("form.stop")
            seen.page.check("#anywhere-yes")
            assert seen.page.is_visible("form.stop"), "of use only with the slow search"
        if name == "editor":
            seen.page.wait_for_selector("[data-ready=yes]")
            seen.page.click("#languages summary")
        keep(seen, f"{name}-{width}-{scheme}")
        assert seen.complaints() == [], name


@pytest.mark.parametrize("script", [True, False])
def test_a_language_is_written_and_saved(web: str, look: Open, issue: int, script: bool) -> None:
    page = enter(web, look, 1280, "light", script=script).page
    page.goto(f"{web}/admin/issues/{issue}/write")
    page.click("nav[aria-label='Languages of this issue'] a:has-text('German')")
    assert "language=de" in page.url
    page.fill("#subject", "Neues vom Monat")
    page.click("#text-form button:has-text('Save')")
    page.wait_for_load_state("networkidle")
    texts: Callable[[], dict[str, str]] = lambda: editing.texts_of(editing.find(issue, actor="test"))  # noqa: E731
    for _ in range(50):
        if "Neues vom Monat" in texts()["de"]:
            break
        page.wait_for_timeout(100)
    assert "Neues vom Monat" in texts()["de"]
    assert "Neues vom Monat" not in texts()[""]
