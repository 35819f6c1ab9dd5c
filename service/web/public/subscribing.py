"""Sign-up pages: a form for one newsletter or for all, and the page after it. Answers the same whoever is behind the
address; what a program filled in is answered the same too, and kept nowhere."""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog
from flask import Blueprint, Response, g, request, url_for

from service.domain.mail_domains import likely_meant
from service.errors import NotFound
from service.languages import mark
from service.operations import archiving, limits, mailing, signing_up
from service.operations.signing_up import Origin, Rejected, TooMany
from service.operations.signup_forms import SignupForm, form_for
from service.operations.signup_input import Problem, first
from service.operations.signup_tickets import Ticket, read_ticket
from service.web import frame
from service.web.origin import origin_of_request
from service.web.sealed import is_from_our_page, read_cookie, seal, set_cookie, unseal

blueprint = Blueprint("subscribing", __name__)
log = structlog.get_logger(__name__)

COOKIE = "signup"
"""Holds the number of the sign-up that this browser has sent: enough to send the mail again, not to confirm."""

_ONCE_MORE = mark("This form was open for too long. Everything is still filled in: please send it once more.")
_TOO_MANY = mark("Too many sign-ups came from your network. Please send this form again in %(minutes)s minutes.")


@blueprint.get("/")
def home() -> Response:
    """The newsletters that take sign-ups."""
    return _show(form_for(None, frame.language()))


@blueprint.get("/subscribe")
def form() -> Response:
    """The same page, by the address that forms are sent to."""
    return _show(form_for(None, frame.language()))


@blueprint.get("/n/<slug>")
def newsletter(slug: str) -> Response:
    """One newsletter and its form."""
    frame.newsletter(slug)
    return _show(form_for([slug], frame.language()))


@blueprint.post("/subscribe")
def subscribe() -> Response:
    """Take a sign-up, of our own page or of one that a form of ours is embedded in. What is wrong is shown with what was
    typed; nothing that was typed is lost."""
    request.max_content_length = limits.LARGEST_SIGNUP
    given = dict(request.form.lists())
    ticket = read_ticket(first(given, "form"))
    if ticket is None or ticket.kind == "api":
        return _show_again(ticket, given, [Problem("", _ONCE_MORE)], 422)
    g.reader_language = ticket.language
    if reason := _looks_automatic(given, ticket):
        log.info("sign-up answered and not kept", reason=reason)
        return _thank(ticket, 0, given)
    try:
        signup_id = signing_up.sign_up(given, slugs=ticket.slugs, language=ticket.language, origin=_origin(ticket))
    except Rejected as error:
        return _show_again(ticket, given, error.problems, 422)
    except TooMany as error:
        minutes = math.ceil(error.wait / timedelta(minutes=1))
        response = _show_again(ticket, given, [Problem("", _TOO_MANY, {"minutes": minutes})], 429)
        response.headers["Retry-After"] = str(minutes * 60)
        return response
    return _thank(ticket, signup_id, given)


@blueprint.get("/subscribed")
def subscribed() -> Response:
    """“Look into your mailbox”: the same words for everybody."""
    if slug := request.args.get("newsletter"):
        _belong_to(slug)
    domain = request.args.get("domain", "")[:254]
    return frame.page(
        "public/subscribed.html",
        again="again" in request.args,
        can_send_again=_signup_of_cookie() is not None,
        typed=domain,
        meant=likely_meant(domain),
    )


@blueprint.post("/subscribed/again")
def again() -> Response:
    """Send the confirmation mail once more, within the limits; the sealed cookie says which. The answer never says whether."""
    if signup_id := _signup_of_cookie():
        mailing.resend(signup_id)
    newsletter_slug = request.args.get("newsletter")
    return see_other(url_for(".subscribed", newsletter=newsletter_slug, again=1))


def _belong_to(slug: str) -> None:
    try:
        frame.newsletter(slug)
    except NotFound:
        return


def _show(
    shown: SignupForm,
    given: Mapping[str, Sequence[str]] | None = None,
    problems: Sequence[Problem] = (),
    status: int = 200,
    ticket: Ticket | None = None,
) -> Response:
    ticket = ticket or Ticket.new("page", shown.language, shown.slugs)
    single = shown.offers[0] if len(shown.offers) == 1 else None
    if single:
        _belong_to(single.slug)
    return frame.page(
        "public/subscribe.html" if shown.offers else "public/home.html",
        status,
        form=shown,
        single=single,
        ticket=ticket.sealed(),
        given={name: first(given or {}, name) for name in ("address", *(one.name for one in shown.fields))},
        ticked={purpose: list((given or {}).get(purpose, ())) for purpose in ("newsletter", "tracking", "export")},
        latest=archiving.latest(single.slug) if single and single.has_archive and not given else [],
        problems={one.field: frame.gettext(one.text, **one.values) for one in problems},
    )


def _show_again(
    ticket: Ticket | None, given: Mapping[str, Sequence[str]], problems: Sequence[Problem], status: int
) -> Response:
    """The form as it is today, with what was typed. A form that was not ours, or too old, still says by its boxes which
    newsletters it was about."""
    slugs = ticket.slugs if ticket else [value.partition(":")[0] for value in given.get("newsletter", ())][:1]
    try:
        shown = form_for(slugs or None, frame.language())
    except NotFound:
        shown = form_for(None, frame.language())
    return _show(shown, given, problems, status, Ticket.again(shown.language, shown.slugs))


def _thank(ticket: Ticket, signup_id: int, given: Mapping[str, Sequence[str]]) -> Response:
    domain = first(given, "address").strip().rpartition("@")[2].lower()
    response = see_other(
        url_for(
            ".subscribed",
            newsletter=ticket.slugs[0] if len(ticket.slugs) == 1 else None,
            domain=domain if likely_meant(domain) else None,
        )
    )
    if ticket.kind == "page" and is_from_our_page():
        set_cookie(response, COOKIE, seal(COOKIE, signup_id), limits.CONFIRM_WITHIN)
    return response


def see_other(url: str) -> Response:
    """Go and look there: a page that may be opened again, unlike the answer to a form."""
    return Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


def _signup_of_cookie() -> int | None:
    value = unseal(COOKIE, read_cookie(COOKIE) or "", limits.CONFIRM_WITHIN)
    return value if isinstance(value, int) else None


def _looks_automatic(given: Mapping[str, Sequence[str]], ticket: Ticket) -> str | None:
    if first(given, "comment"):
        return "honeypot"
    if ticket.at is not None and time.time() - ticket.at < limits.FASTEST_PERSON.total_seconds():
        return "too fast"
    return None


def _origin(ticket: Ticket) -> Origin:
    return Origin(ticket.kind, **origin_of_request())
