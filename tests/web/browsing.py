"""A browser without a screen: keeps its cookies, reads the forms of a page, and sends them as a person would."""

import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from typing import Any

from lxml import html


class Page:
    """An answer, as text and as a tree."""

    def __init__(self, status: int, text: str, headers: Any, url: str) -> None:
        self.status, self.text, self.headers, self.url = status, text, headers, url

    @property
    def tree(self) -> Any:
        return html.fromstring(self.text)

    @property
    def said(self) -> str:
        """The words of the page, with single spaces."""
        return " ".join(self.tree.text_content().split())

    def form(self, action: str) -> tuple[str, dict[str, str]]:
        """The form whose address ends like this: where it goes, and what it would send as it stands."""
        for form in (one for one in self.tree.forms if one.method == "POST"):
            target = urllib.parse.urljoin(self.url, form.get("action") or self.url)
            if urllib.parse.urlsplit(target).path.endswith(action):
                return target, {name: str(value or "") for name, value in form.form_values()}
        raise AssertionError(f"no form goes to {action}")


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Person:
    """Somebody with a browser. `headers` go with every request."""

    def __init__(self, **headers: str) -> None:
        self.cookies = CookieJar()
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def get(self, url: str) -> Page:
        return self._ask("GET", url, None)

    def sent_to(self, url: str) -> str:
        """Where a redirect of this page leads, without going there."""
        opener = urllib.request.build_opener(
            _Stay, urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        try:
            opener.open(urllib.request.Request(url, headers=self._headers), timeout=20)
        except urllib.error.HTTPError as answer:
            return str(answer.headers["Location"])
        raise AssertionError(f"{url} leads nowhere")

    def post(self, url: str, fields: dict[str, str] | None = None, **headers: str) -> Page:
        return self._ask("POST", url, urllib.parse.urlencode(fields or {}).encode(), headers)

    def post_pairs(self, url: str, fields: list[tuple[str, str]]) -> Page:
        """As `post`, for a form that has several fields of one name."""
        return self._ask("POST", url, urllib.parse.urlencode(fields).encode())

    def file(self, url: str, fields: dict[str, str]) -> bytes:
        """What comes as a file when the form is sent."""
        data = urllib.parse.urlencode(fields).encode()
        with self._opener.open(urllib.request.Request(url, data=data, headers=self._headers), timeout=60) as answer:
            content: bytes = answer.read()
        return content

    def press(self, page: Page, action: str, **changes: str | None) -> Page:
        """Send the form that goes there, with some fields changed; None leaves a field away, as an unticked box does."""
        target, fields = page.form(action)
        for name, value in changes.items():
            fields.pop(name, None)
            if value is not None:
                fields[name] = value
        return self.post(target, fields)

    def _ask(self, method: str, url: str, body: bytes | None, headers: dict[str, str] | None = None) -> Page:
        sent = {"Accept": "text/html", **self._headers, **(headers or {})}
        request = urllib.request.Request(url, data=body, method=method, headers=sent)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return Page(answer.status, answer.read().decode(), answer.headers, answer.url)
        except urllib.error.HTTPError as error:
            return Page(error.code, error.read().decode(), error.headers, url)
