"""The public archive: the list of issues, with search, and each issue at a permanent address. Shows nobody's own copy, takes
no token and sets no cookie, so that any cache may keep the pages for a while."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for

from service.operations import archiving
from service.operations.archive_entries import Article
from service.settings import current
from service.web import frame

blueprint = Blueprint("archive", __name__)

LARGEST_ID = 2**63 - 1


@blueprint.get("/n/<slug>/archive")
def listing(slug: str) -> Response:
    """Issues by year, newest first; what is asked for by `?q=`. Raises NotFound."""
    number = request.args.get("page", default=1, type=int)
    found = archiving.listing(slug, number=number, query=request.args.get("q", ""))
    years: dict[int, list[Any]] = {}
    for entry in found.entries:
        years.setdefault(entry.published_on.year, []).append(entry)
    canonical = f"{current().public_url}/n/{slug}/archive"
    return _public(
        "archive/listing.html",
        slug,
        found.changed_at,
        indexed=not found.query,
        listing=found,
        years=years,
        canonical=canonical if found.number == 1 else f"{canonical}?page={found.number}",
    )


@blueprint.get(f"/n/<slug>/<int(max={LARGEST_ID}):issue>")
def short(slug: str, issue: int) -> Response:
    """The address without date and title, as it stands in mails. Raises NotFound."""
    return _moved(archiving.read(slug, issue), issue)


@blueprint.get(f"/n/<slug>/<int(max={LARGEST_ID}):issue>/<tail>")
def issue(slug: str, issue: int, tail: str) -> Response:
    """An issue. Date and title in the address are for people: whatever they are, they lead to the right ones. Raises NotFound."""
    article = archiving.read(slug, issue, languages=_languages())
    if (article.issue_id, article.tail) != (issue, tail):
        return _moved(article, issue)
    base = current().public_url
    picture = article.page.picture
    return _public(
        "archive/issue.html",
        slug,
        article.changed_at,
        indexed=True,
        article=article,
        canonical=base + article.path,
        picture=f"{base}{picture}" if picture else None,
    )


def _languages() -> list[str]:
    """What the visitor reads: what they chose here or their mail's link says, else what their browser asks for."""
    asked = request.args.get("lang")
    return [*([asked] if asked else []), *(tag for tag, _quality in request.accept_languages)]


def _moved(article: Article, asked: int) -> Response:
    """For good, unless another issue stands for this one only as long as both are in the archive."""
    place = url_for("archive.issue", slug=article.slug, issue=article.issue_id, tail=article.tail)
    response = redirect(place, 301 if article.issue_id == asked else 302)
    response.headers["Cache-Control"] = "public, max-age=300"
    return response  # type: ignore[return-value]


def _public(template: str, slug: str, changed_at: datetime | None, *, indexed: bool, **values: object) -> Response:
    """A page that is the same for everybody who reads the same language."""
    # In this order: the refusal for a newsletter without an archive must look like that for none at all.
    archive = archiving.publication(slug)
    frame.newsletter(slug)
    response = frame.page(template, 200, archive=archive, **values)
    response.headers["Vary"] = "Accept-Language"
    keep(response, changed_at)
    if indexed:
        response.headers["X-Robots-Tag"] = "all"
    return response


def keep(response: Response, changed_at: datetime | None) -> None:
    """Let caches keep an answer for five minutes, and ask again whether it has changed."""
    response.headers["Cache-Control"] = "public, max-age=300"
    if changed_at is not None:
        response.last_modified = changed_at
    response.add_etag()
    response.make_conditional(request)
