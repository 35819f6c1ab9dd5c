"""A browser's part of a sign-up, over real HTTP: the form, its hidden parts, its cookies."""

import html
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from itsdangerous import TimestampSigner

from service import tickets
from service.operations.signup_tickets import read_ticket
from tests.builders import a_newsletter

Sql = Callable[..., list[Any]]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def telling(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer by which two answers could be told apart: without those that differ in every answer."""
    return {name: value for name, value in headers.items() if name not in ("Date", "X-Request-ID", "Set-Cookie")}


class Visitor:
    """Keeps cookies, follows nothing by itself, and says where its requests come from as a browser does."""

    def __init__(self, site: str, **headers: str) -> None:
        self.site, self.cookies = site, dict[str, str]()
        self.headers = {"User-Agent": FIREFOX, "Accept": "text/html", "Accept-Language": "en", **headers}
        self._opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))

    def ask(
        self, method: str, path: str, body: bytes | None = None, /, **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        """Status, text, headers."""
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        request = urllib.request.Request(urllib.parse.urljoin(self.site, path), data=body, method=method, headers=sent)
        try:
            answer = self._opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            for words in answer.headers.get_all("Set-Cookie") or ():
                name, _, value = words.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, text, dict(answer.headers)

    def get(self, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
        return self.ask("GET", path, None, **headers)

    def send(self, path: str, fields: Sequence[tuple[str, str]], **headers: str) -> tuple[int, str, dict[str, str]]:
        """Send a form of this very site."""
        given = {"Sec-Fetch-Site": "same-origin", "Origin": self.site, **headers}
        return self.ask("POST", path, urllib.parse.urlencode(fields).encode(), **given)


def boxes(page: str, purpose: str) -> list[str]:
    """What ticking the boxes of this purpose would send."""
    return [html.unescape(one) for one in re.findall(rf'name="{purpose}" type="checkbox" value="([^"]+)"', page)]


def ticket(page: str) -> str:
    """The hidden part of a form."""
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found, "the page has a form"
    return html.unescape(found[1])


def read_for(page: str, seconds: float = 10) -> str:
    """The hidden part of a form that somebody has looked at for so long."""
    shown = read_ticket(ticket(page))
    assert shown, "the form is ours"
    return replace(shown, at=None if shown.at is None else shown.at - seconds).sealed()


def filled(page: str, address: str = "mei@readers.example", *purposes: str, **fields: str) -> list[tuple[str, str]]:
    """The form of a page, filled in; the newsletter's box is ticked, and those of `purposes`."""
    ticked = [(purpose, value) for purpose in ("newsletter", *purposes) for value in boxes(page, purpose)]
    return [("form", read_for(page)), ("address", address), *fields.items(), *ticked]


def open_newsletter(sql: Sql, slug: str = "monthly", **columns: Any) -> int:
    """A newsletter that takes sign-ups, with these columns besides."""
    newsletter_id = a_newsletter(slug, name=columns.pop("name", "The Monthly"))
    for name, value in {"accepts_signups": True, **columns}.items():
        sql(f"UPDATE newsletters SET {name} = %s WHERE id = %s", value, newsletter_id)
    return newsletter_id


def aged(purpose: str, value: object, age: timedelta) -> str:
    """What `seal` would have given so long ago."""

    class Then(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - int(age.total_seconds())

    serializer = tickets._timed(purpose)
    serializer.signer = Then
    return serializer.dumps(value)
