"""Programs that open every link of a mail before its reader does: whatever they open, nobody has left by it."""

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import nullcontext
from html import unescape
from typing import Any

import pytest
from playwright.sync_api import Error

from tests.browser.conftest import Open
from tests.everything import dump

pytestmark = pytest.mark.browser
Sql = Callable[..., list[Any]]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A tracked link leads away from this machine, where no test goes."""

    def redirect_request(self, *_: Any) -> None:
        return None


def links(copy: dict[str, Any]) -> list[str]:
    """Every address in a mail: links and pictures, the text part, the headers."""
    found = re.findall(r'(?:href|src)="(http[^"]+)"', copy["html"])
    found += re.findall(r"https?://[^\s<>]+", copy["text"])
    found += re.findall(r"<(http[^>]+)>", copy["headers"]["List-Unsubscribe"])
    return sorted({unescape(one).split("#")[0] for one in found})


def fetch(method: str, url: str) -> int:
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, method=method), timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("tracking", ["agreed", "unasked"])
def test_a_scanner_that_opens_everything_changes_nothing(
    received: Callable[..., dict[str, Any]], look: Open, sql: Sql, tracking: str
) -> None:
    copy = received(tracking)
    here = [one for one in links(copy) if one.startswith("http://127.0.0.1:")]
    leave = [one for one in here if "/u/" in one]
    assert leave, "the leave link is among them"
    assert any("/media/" in one for one in here), "and the picture"
    before = dump(sql)
    context = look().page.context
    for url in here:
        statuses = [fetch(method, url) for method in ("GET", "HEAD")]
        assert all(status in (200, 302) for status in statuses), (url, statuses)
        # A tracked link leads to a site that a test never reaches.
        away = "/c/" in url
        page = context.new_page()
        with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED") if away else nullcontext():
            page.goto(url, wait_until="networkidle")
        page.close()
    assert dump(sql) == before

    page = context.new_page()
    page.goto(leave[0])
    page.get_by_role("button", name="Leave").click()
    page.get_by_role("heading", name="You have left").wait_for()
    assert dump(sql) != before, "the comparison would have seen it"
