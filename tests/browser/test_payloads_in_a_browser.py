"""The corpus of attacks in a real browser, with scripts on and no policy to protect it: nothing runs, and nothing is asked for."""

from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Route

from service import settings
from service.rendering.newsletter import RenderError
from tests.rendering.attacked import in_a_reader, in_the_headline, in_the_newsletter, in_the_text
from tests.rendering.payloads import PAYLOADS

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]
SAMPLE = ("body", "link text", "link target", "picture text", "note")
WATCH = """() => { window.ran = []; for (const name of ['alert', 'confirm', 'prompt', 'print', 'open'])
    window[name] = () => window.ran.push(name); }"""
LOOK = """() => ({ran: window.ran, active: [...document.querySelectorAll('*')].flatMap(e => [...e.attributes].filter(a =>
    a.name.startsWith('on') || /^(href|src|action|data|formaction)$/.test(a.name) && /^\\s*(javascript|vbscript|data):/i.test(a.value)).map(a => e.tagName + ' ' + a.name)),
    tags: [...document.querySelectorAll('script, iframe, object, embed, form, input, base, link, svg, math')].map(e => e.tagName)})"""


def documents() -> list[tuple[str, str]]:
    """Mails and pages that the payloads get into."""
    found = []
    for payload in PAYLOADS:
        mails, _refused = in_the_text(payload, SAMPLE)
        mails.append(in_a_reader(payload))
        with suppress(RenderError):
            mails += [in_the_headline(payload, "subject"), in_the_newsletter(payload)]
        pages = [f"<!DOCTYPE html>{mail.page.heading}{mail.page.body}{mail.page.notes}" for mail in mails]
        found += [(payload, html) for html in (*(mail.html for mail in mails), *pages)]
    return found


@pytest.mark.long
def test_nothing_runs_and_nothing_is_fetched(chromium: Browser, tmp_path: Path) -> None:
    settings.configure(settings.load({"BROADSHEET_HOME": str(tmp_path / "home")}))
    context = chromium.new_context()
    page = context.new_page()
    asked: list[str] = []
    dialogs: list[str] = []

    def settle(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    def close(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    context.route("**/*", settle)
    page.on("dialog", close)
    page.add_init_script(f"({WATCH})()")
    page.goto("about:blank")
    for number, (payload, html) in enumerate(documents()):
        page.set_content(html, wait_until="domcontentloaded")
        looked = page.evaluate(LOOK)
        assert looked == {"ran": [], "active": [], "tags": []}, (number, payload)
        assert page.url == "about:blank", payload
    page.wait_for_timeout(500)
    context.close()
    assert dialogs == []
    assert {url for url in asked if not url.startswith(("https://news.example/media/", "http://127.0.0.1"))} == set()


def test_the_watch_sees_what_it_watches_for(chromium: Browser) -> None:
    page = chromium.new_page()
    page.add_init_script(f"({WATCH})()")
    page.goto("about:blank")
    page.set_content("<img src=x onerror=alert(1)><script>alert(2)</script>")
    page.wait_for_function("window.ran.length === 2")
    looked = page.evaluate(LOOK)
    assert looked == {"ran": ["alert", "alert"], "active": ["IMG onerror"], "tags": ["SCRIPT"]}
    page.close()
