"""Newsletters: made with the fewest questions, and set section by section afterwards."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, Response, request, url_for

from service.domain.permissions import Permission
from service.errors import Conflict, Invalid
from service.languages import LANGUAGES
from service.operations import looks, newsletter_making, newsletter_settings, newsletters, wording_history
from service.operations.wordings import PURPOSES
from service.settings import current
from service.web.admin import gate
from service.web.admin.frame import actor, back, page

blueprint = Blueprint("admin_newsletters", __name__, url_prefix=f"{gate.PREFIX}/newsletters")

SECTIONS: dict[str, tuple[str, ...]] = {
    "sender": ("name", "sender_name", "sender_address", "reply_to", "postal_address", "privacy_url"),
    "sending": (
        "subject_prefix",
        "needs_approval",
        "undo_seconds",
        "typed_above",
        "maximum_audience",
        "seeds",
        "time_zone",
        "tracking_policy",
    ),
    "looks": ("design", "brand_colour", "has_archive"),
    "signups": (
        "accepts_signups",
        "description",
        "signup_fields",
        "allowed_origins",
        "needs_export_consent",
        "welcome",
    ),
}
"""Section of the page → the settings that its form has."""
_TICKS = ("needs_approval", "has_archive", "accepts_signups", "needs_export_consent")
_LINES = ("signup_fields", "allowed_origins", "seeds")


@blueprint.get("")
def index() -> Response:
    """All that one may see."""
    return page("newsletters/index.html", newsletters=newsletters.listed(actor()))


@blueprint.get("/new")
def new() -> Response:
    """The questions that a newsletter cannot do without."""
    return _new({}, ())


@blueprint.post("/new")
def create() -> Response:
    """Make it."""
    given = {name: request.form.get(name, "") for name in ("name", "sender_address", "postal_address", "language")}
    slug = newsletter_making.slug_of(given["name"])
    try:
        newsletter_making.create_newsletter(
            slug,
            name=given["name"],
            sender_address=given["sender_address"],
            postal_address=given["postal_address"],
            language=given["language"],
            accepts_signups=False,
            actor=actor(),
        )
    except Invalid as error:
        return _new(given, error.problems, 422)
    except Conflict:
        return _new(given, ("There is a newsletter of this name already. Give this one another.",), 422)
    return back(
        ".show",
        f"{given['name'].strip()} is made. Look through its settings, then import or invite readers.",
        slug=slug,
    )


@blueprint.get("/<slug>")
def show(slug: str) -> Response:
    """Its settings."""
    return _show(slug)


@blueprint.post("/<slug>/settings/<section>")
def change(slug: str, section: str) -> Response:
    """Save one section."""
    given = {name: _given(name) for name in SECTIONS.get(section, ())}
    try:
        newsletter_settings.change(slug, actor=actor(), **given)
    except Invalid as error:
        return _show(slug, 422, section, error.problems, given)
    return back(".show", "Saved.", slug=slug, _anchor=section)


@blueprint.post("/<slug>/logo")
def logo(slug: str) -> Response:
    """Another picture at the head of mails and pages, or none."""
    sent = request.files.get("logo")
    try:
        if sent is None or not sent.filename:
            newsletter_settings.change(slug, actor=actor(), logo=None)
        else:
            with TemporaryDirectory() as folder:
                path = Path(folder) / "logo"
                sent.save(path)
                newsletter_settings.change(slug, actor=actor(), logo=path)
    except Invalid as error:
        return _show(slug, 422, "looks", error.problems)
    return back(".show", "Saved.", slug=slug, _anchor="looks")


@blueprint.post("/<slug>/words")
def words(slug: str) -> Response:
    """What readers are asked to agree to, in one language and for one purpose; without words, ours again."""
    purpose, language = request.form.get("purpose", ""), request.form.get("language", "")
    text = request.form.get("text", "").strip() or None
    try:
        newsletter_settings.set_wording(slug, purpose, language, text, actor=actor())
    except Invalid as error:
        return _show(slug, 422, "words", error.problems)
    return back(
        ".show", "Saved. Whoever agreed before agreed to the words of then, which are kept.", slug=slug, _anchor="words"
    )


@blueprint.get("/<slug>/wordings")
def wordings(slug: str) -> Response:
    """Every wording there was, with its dates and how many agreed to it."""
    found, counted_at = wording_history.as_counted(slug, actor=actor())
    return page(
        "newsletters/wordings.html",
        newsletter=newsletter_settings.show(slug, actor=actor(), most=1),
        wordings=found,
        counted_at=counted_at,
        languages=LANGUAGES,
        here=url_for(".wordings", slug=slug),
    )


def _given(name: str) -> Any:
    text = request.form.get(name, "")
    if name in _TICKS:
        return bool(text)
    if name in _LINES:
        return [line.strip() for line in text.splitlines() if line.strip()]
    if name == "welcome":
        return None if request.form.get("no_welcome") else text
    return text


def _new(given: dict[str, str], problems: tuple[str, ...], status: int = 200) -> Response:
    return page("newsletters/new.html", status, given=given, problems=problems, languages=LANGUAGES)


def _show(
    slug: str, status: int = 200, section: str = "", problems: tuple[str, ...] = (), given: dict[str, Any] | None = None
) -> Response:
    found = newsletter_settings.show(slug, actor=actor(), most=newsletters.COUNTED + 1)
    values = {**found, "signup_fields": [_written(one) for one in found["signup_fields"]], **(given or {})}
    return page(
        "newsletters/show.html",
        status,
        newsletter=found,
        values=values,
        problems={section: problems},
        zones=sorted(available_timezones()),
        designs=[(name, name.capitalize()) for name in looks.design_names()],
        languages=LANGUAGES,
        purposes=PURPOSES,
        wordings=newsletter_settings.wordings(slug, actor=actor()),
        form_url=f"{current().public_url}/n/{slug}",
        may_change=actor().may(Permission.CONFIGURE, found["id"]),
        here=url_for(".show", slug=slug),
    )


def _written(field: dict[str, Any]) -> str:
    """A field of the form as it is typed."""
    return ":".join(filter(None, (field["name"], field["label"], "required" if field["required"] else "")))
