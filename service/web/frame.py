"""What all pages for readers share: the language of the request, the words and formats of that language, the newsletter
whose page it is. Views answer with `page` and nothing else."""

from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, current_app, g, has_request_context, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from service.domain.languages import SOURCE
from service.languages import LANGUAGES, best, equip, match, say, say_number
from service.operations import newsletters
from service.operations.newsletters import Brand

_WITHOUT_WORDS = ("static", "media.", "webhooks.", "status.", "brand.", "admin_")
"""Endpoints whose addresses never carry a language."""


def register(app: Flask) -> None:
    """Give the templates their words, and every link of ours the language that the reader chose."""
    equip(app.jinja_env, language)
    app.context_processor(_shared)
    app.url_defaults(_carry_choice)


def page(template: str, status: int = 200, **values: object) -> Response:
    """A page in the request's language. It is nobody else's: no cache keeps it."""
    response = make_response(render_template(template, **values), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Language"] = language()
    response.vary.update(("Accept-Language", "Cookie"))
    return response


def newsletter(slug: str) -> Brand:
    """The newsletter that this page belongs to: from here on the page has its name, colours and, where the reader asks for
    no other, its language. Raises NotFound."""
    found = newsletters.brand(slug)
    g.brand = found
    g.newsletter_language = found.language
    return found


def language() -> str:
    """The language to speak: what the reader chose here (`?lang=`), else what we know of them (`g.reader_language`), else
    what their browser asks for, else the newsletter's (`g.newsletter_language`), else English."""
    return (
        chosen()
        or match(g.get("reader_language"))
        or best(request.headers.get("Accept-Language"))
        or match(g.get("newsletter_language"))
        or SOURCE
    )


def chosen() -> str | None:
    """The language that the reader chose on this page or one before; None when they chose none."""
    return match(request.args.get("lang"))


def gettext(text: str, /, **values: object) -> str:
    """The sentence in the request's language. Use `say` where the language is another."""
    return say(language(), text, **values)


def ngettext(one: str, many: str, /, num: int, **values: object) -> str:
    """The sentence for that number of things in the request's language."""
    return say_number(language(), one, many, num=num, **values)


def _shared() -> dict[str, Any]:
    if not has_request_context():
        return {"language": SOURCE, "chosen_language": None, "languages": [], "brand": None}
    return {
        "language": language(),
        "chosen_language": chosen(),
        "languages": _choices(),
        "brand": g.get("brand"),
    }


def _choices() -> list[dict[str, str]]:
    """The same page in each language; none where the page answers a form and cannot be opened again."""
    if not _can_be_opened():
        return []
    rest = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    return [
        {"tag": tag, "name": name, "href": f"?{urlencode([*rest, ('lang', tag)])}"} for tag, name in LANGUAGES.items()
    ]


def _can_be_opened() -> bool:
    if request.method in ("GET", "HEAD"):
        return True
    try:
        adapter = current_app.create_url_adapter(request)
        return adapter is not None and adapter.test(request.path, "GET")
    except HTTPException:
        return False


def _carry_choice(endpoint: str, values: dict[str, Any]) -> None:
    if has_request_context() and (tag := chosen()) and not endpoint.startswith(_WITHOUT_WORDS):
        values.setdefault("lang", tag)
