"""Readers: found, looked at, and what a person of the team does about them."""

import json
import secrets

from flask import Blueprint, Response, make_response, request, url_for

from service.domain.permissions import Permission
from service.errors import Conflict, Invalid
from service.operations import finding, newsletters, reader_pages, tagging
from service.web.admin import gate
from service.web.admin.frame import actor, back, page

blueprint = Blueprint("admin_readers", __name__, url_prefix=f"{gate.PREFIX}/readers")
PAGE = 50
STATES = ("active", "pending", "unsubscribed")


@blueprint.get("")
def index() -> Response:
    """Look for somebody."""
    return _index(request.args.get("words", ""))


@blueprint.post("")
def search() -> Response:
    """The same for what is an address: it stands in no address of a page that a history or a log would keep."""
    return _index(request.form.get("words", ""))


@blueprint.post("/stop")
def stop() -> Response:
    """End a slow search that was begun on the same page, on the database's server too."""
    was_there = finding.stop(request.form.get("ticket", "")[:100], actor=actor())
    return back(".index", "The search is stopped." if was_there else "No search was under way any more.")


@blueprint.get("/<int:subscriber_id>")
def show(subscriber_id: int) -> Response:
    """Everything about one reader."""
    return _show(subscriber_id)


@blueprint.post("/<int:subscriber_id>/details")
def change(subscriber_id: int) -> Response:
    """Names, language, and other details."""
    form = request.form
    given = {name: form.get(name, "") for name in ("first_name", "last_name", "language")}
    details = dict(zip(form.getlist("detail"), form.getlist("value"), strict=False))
    try:
        reader_pages.change(subscriber_id, **given, attributes=details, actor=actor())
    except Invalid as error:
        return _show(subscriber_id, 422, error.problems)
    return back(".show", "Saved.", subscriber_id=subscriber_id)


@blueprint.post("/<int:subscriber_id>/tags")
def tag(subscriber_id: int) -> Response:
    """One tag more."""
    try:
        tagging.add(subscriber_id, request.form.get("tag", ""), actor=actor())
    except Invalid as error:
        return _show(subscriber_id, 422, error.problems)
    return back(".show", "Tagged.", subscriber_id=subscriber_id)


@blueprint.post("/<int:subscriber_id>/tags/<int:tag_id>")
def untag(subscriber_id: int, tag_id: int) -> Response:
    """One tag less; the notice can put it back."""
    name = tagging.remove(subscriber_id, tag_id, actor=actor())
    again = (url_for(".tag", subscriber_id=subscriber_id), {"tag": name})
    return back(".show", f"The tag “{name}” is taken away.", undo=again, subscriber_id=subscriber_id)


@blueprint.post("/<int:subscriber_id>/leave/<int:subscription_id>")
def unsubscribe(subscriber_id: int, subscription_id: int) -> Response:
    """End one subscription."""
    try:
        reader_pages.unsubscribe(subscription_id, reason=request.form.get("reason", ""), actor=actor())
    except (Invalid, Conflict) as error:
        return _show(subscriber_id, 422, (str(error),))
    return back(".show", "They get this newsletter no more.", subscriber_id=subscriber_id)


@blueprint.post("/<int:subscriber_id>/pause/<int:subscription_id>")
def pause(subscriber_id: int, subscription_id: int) -> Response:
    """Nothing for a while, or again."""
    day = request.form.get("day", "")
    try:
        reader_pages.pause(subscription_id, day=day, reason=request.form.get("reason", ""), actor=actor())
    except (Invalid, Conflict) as error:
        return _show(subscriber_id, 422, (str(error),))
    told = "The newsletter is paused for them." if day.strip() else "They get the newsletter again."
    return back(".show", told, subscriber_id=subscriber_id)


@blueprint.post("/<int:subscriber_id>/address")
def ask_for_change(subscriber_id: int) -> Response:
    """Elsewhere, once both mailboxes say yes."""
    try:
        reader_pages.ask_for_change(subscriber_id, request.form.get("address", ""), actor=actor())
    except Invalid as error:
        return _show(subscriber_id, 422, error.problems)
    return back(
        ".show", "Both addresses are asked by mail. Nothing changes before both say yes.", subscriber_id=subscriber_id
    )


@blueprint.post("/<int:subscriber_id>/suppress")
def suppress(subscriber_id: int) -> Response:
    """Never again."""
    try:
        reader_pages.suppress(subscriber_id, reason=request.form.get("reason", ""), actor=actor())
    except Invalid as error:
        return _show(subscriber_id, 422, error.problems)
    return back(".show", "The address is suppressed.", subscriber_id=subscriber_id)


@blueprint.post("/<int:subscriber_id>/lift")
def lift(subscriber_id: int) -> Response:
    """Again, where that may be."""
    try:
        reader_pages.lift(
            subscriber_id, reason=request.form.get("reason", ""), request=request.form.get("request", ""), actor=actor()
        )
    except (Invalid, Conflict) as error:
        return _show(subscriber_id, 422, (str(error),))
    return back(".show", "The suppression is lifted.", subscriber_id=subscriber_id)


@blueprint.post("/<int:subscriber_id>/erase")
def erase(subscriber_id: int) -> Response:
    """For good."""
    try:
        reader_pages.erase(
            subscriber_id, typed=request.form.get("typed", ""), reason=request.form.get("reason", ""), actor=actor()
        )
    except Invalid as error:
        return _show(subscriber_id, 422, error.problems)
    return back(".index", "The reader is erased. What must stay as evidence stays without their address.")


@blueprint.post("/<int:subscriber_id>/data")
def export(subscriber_id: int) -> Response:
    """Everything that is kept of them, as a file."""
    response = make_response(
        json.dumps(reader_pages.export(subscriber_id, actor=actor()), indent=1, ensure_ascii=False, default=str)
    )
    response.mimetype = "application/json"
    response.headers["Content-Disposition"] = f"attachment; filename=reader-{subscriber_id}.json"
    response.headers["Cache-Control"] = "no-store"
    return response


def _index(words: str) -> Response:
    asked = request.values
    newsletter = asked.get("newsletter", "")
    newsletter_id = int(newsletter) if newsletter.isdecimal() else None
    state = asked.get("state") if asked.get("state") in STATES else None
    before = int(asked["before"]) if asked.get("before", "").isdecimal() else None
    problems: tuple[str, ...] = ()
    found = []
    try:
        found = finding.find(
            words,
            actor=actor(),
            newsletter_id=newsletter_id,
            state=state,
            anywhere=asked.get("anywhere") == "yes",
            before=before,
            limit=PAGE + 1,
            ticket=asked.get("ticket", "")[:100],
        )
    except Invalid as error:
        problems = error.problems
    number, is_exact = finding.count(actor=actor(), newsletter_id=newsletter_id)
    return page(
        "readers/index.html",
        readers=found[:PAGE],
        older=found[PAGE - 1]["id"] if len(found) > PAGE else None,
        words=words,
        asked=asked,
        problems=problems,
        number=number,
        is_exact=is_exact,
        states=STATES,
        ticket=secrets.token_urlsafe(16),
        newsletters=newsletters.names(actor(), Permission.SEE_READERS),
    )


def _show(subscriber_id: int, status: int = 200, problems: tuple[str, ...] = ()) -> Response:
    return page(
        "readers/show.html",
        status,
        reader=reader_pages.show(subscriber_id, actor=actor()),
        problems=problems,
        here=url_for(".show", subscriber_id=subscriber_id),
    )
