"""Writing one issue: the text, its pictures and versions, and how the mail looks meanwhile."""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for

from service.domain.permissions import Permission
from service.errors import BroadsheetError, Conflict, Invalid, RetryLater
from service.operations import editing, editing_files, editing_history, looking
from service.operations.editing import Collision
from service.rendering import front_matter
from service.rendering.front_matter import Parts
from service.web.admin import gate, issues
from service.web.admin.frame import actor, back, clock, fragment, framed, operator, page

blueprint = Blueprint("admin_editor", __name__, url_prefix=f"{gate.PREFIX}/issues/<int:issue_id>")

LARGEST_TEXT = 8 * 1024 * 1024
"""Bytes of a form that saves: the largest text that is kept, each letter written as three escapes."""
_LINE = re.compile(r"\bline (\d+)")
"""The policy of a mail that is shown: it looks as in an inbox, and runs and loads nothing."""


@blueprint.get("/write")
def show(issue_id: int) -> Response:
    """The text, and the mail beside it."""
    issue = editing.find(issue_id, actor=actor())
    parts = front_matter.split(issue["source"])
    may_write = actor().may(Permission.WRITE, issue["newsletter_id"]) and issue["state"] in editing.EDITABLE
    return page(
        "editor/show.html",
        issue=issue,
        parts=parts,
        may_write=may_write,
        problems=[_shifted(one, parts) for one in issue["problems"]],
        variants=looking.variants(issue_id, actor=actor()),
        fields=sorted(editing.fields_of(issue_id, actor=actor())),
        tab="write",
    )


@blueprint.post("/write")
@gate.takes(LARGEST_TEXT)
def save(issue_id: int) -> Response:
    """Keep the text. A script gets JSON, a form the page."""
    given = request.form
    before = front_matter.split(editing.find(issue_id, actor=actor())["source"])
    text = front_matter.join(given.get("subject", ""), given.get("preheader", ""), given.get("body", ""), before.others)
    base = int(given["base"]) if given.get("base", "").isdecimal() else 0
    by_script = request.accept_mimetypes.best == "application/json"
    try:
        saved = editing.save(
            issue_id, text, base=base, actor=actor(), why="autosaved" if given.get("auto") else "saved"
        )
    except Collision as error:
        where = url_for(".version", issue_id=issue_id, number=error.number)
        return _told(409, str(error), where) if by_script else back(".version", issue_id=issue_id, number=error.number)
    except (Invalid, Conflict) as error:
        if by_script:
            return _told(422, str(error), "")
        raise
    if not by_script:
        return back(
            ".show",
            "Saved." if not saved.merged else "Saved, with what somebody else changed meanwhile.",
            issue_id=issue_id,
        )
    return _saved(issue_id, saved.merged)


@blueprint.get("/mail")
def mail(issue_id: int) -> Response:
    """The mail as it was rendered last, for the frame beside the text."""
    return _shown(issue_id, request.args, None)


@blueprint.post("/mail")
def mail_of_reader(issue_id: int) -> Response:
    """The same as one reader gets it, whose address stands in no address of a page. Nothing is changed."""
    return _shown(issue_id, request.form, request.form.get("reader") or None)


def _shown(issue_id: int, asked: Mapping[str, str], reader: str | None) -> Response:
    try:
        shown = looking.look(issue_id, actor=actor(), reader=reader, variant=asked.get("variant") or None)
    except BroadsheetError as error:
        return framed(
            f'<!doctype html><html lang="en"><title>Nothing to show</title><p style="font-family:sans-serif;padding:2rem">{_escaped(str(error))}</p>'
        )
    if asked.get("as") == "text":
        return framed(
            f'<!doctype html><html lang="en"><title>Text part</title><pre style="white-space:pre-wrap;font:14px/1.5 monospace;padding:1rem">{_escaped(shown.mail.text)}</pre>'
        )
    scheme = "not all" if asked.get("scheme") == "light" else "all" if asked.get("scheme") == "dark" else ""
    html = (
        re.sub(r"@media \(prefers-color-scheme: ?dark\)", f"@media {scheme}", shown.mail.html)
        if scheme
        else shown.mail.html
    )
    return framed(html)


@blueprint.get("/preflight")
def preflight(issue_id: int) -> Response:
    """What is to be mended, for its place beside the text. With `network=yes` links and domains are asked, too."""
    issue = editing.find(issue_id, actor=actor())
    parts = front_matter.split(issue["source"])
    report = looking.check(issue_id, actor=actor(), network=request.args.get("network") == "yes")
    found = [(one, _shifted(one.where, parts), _line_of(_shifted(one.where, parts))) for one in report.findings]
    problems = [(_shifted(one, parts), _line_of(_shifted(one, parts))) for one in issue["problems"]]
    return fragment(
        "editor/preflight.html", issue=issue, found=found, problems=problems, asked_network=request.args.get("network")
    )


@blueprint.post("/presence")
def presence(issue_id: int) -> Response:
    """Who else has it open."""
    return fragment("editor/presence.html", others=editing_history.here(issue_id, operator()))


@blueprint.post("/pictures")
@gate.takes(issues.LARGEST_FILE)
def add_picture(issue_id: int) -> Response:
    """A picture, for a script that puts it into the text."""
    editing.find(issue_id, actor=actor(), permission=Permission.WRITE)
    sent = request.files.get("picture")
    if sent is None or not sent.filename:
        return _told(422, "Choose a picture.", "")
    try:
        name = editing_files.add_picture(issue_id, sent.filename, sent.read(), actor=actor())
    except Invalid as error:
        return _told(422, str(error), "")
    return jsonify(name=name)


@blueprint.post("/file")
@gate.takes(issues.LARGEST_FILE)
def replace_text(issue_id: int) -> Response:
    """Another text from a file; the one before stays a version."""
    before = editing.find(issue_id, actor=actor(), permission=Permission.WRITE)["version"]
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return back(".show", "Choose a file first.", issue_id=issue_id)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"file{editing_files.suffix_of(sent.filename)}"
        sent.save(path)
        source, told = editing_files.read(path, sent.filename)
        editing_files.replace_text(issue_id, source, base=before, actor=actor())
    words = (
        f"The text is now that of {sent.filename}. {len(told)} things in it were not taken as they were."
        if told
        else f"The text is now that of {sent.filename}."
    )
    return back(".show", words, undo=(url_for(".restore", issue_id=issue_id, number=before), {}), issue_id=issue_id)


@blueprint.post("/test")
def send_test(issue_id: int) -> Response:
    """A test to a few colleagues."""
    addresses = re.split(r"[\s,;]+", request.form.get("addresses", ""))
    try:
        sent = looking.send_test(issue_id, addresses, actor=actor(), variant=request.form.get("variant") or None)
    except (Invalid, RetryLater) as error:
        return fragment(
            "editor/test.html",
            422,
            issue=editing.find(issue_id, actor=actor()),
            problems=str(error).split("\n"),
            addresses=request.form.get("addresses", ""),
        )
    return fragment(
        "editor/test.html",
        issue=editing.find(issue_id, actor=actor()),
        sent=sent,
        addresses=request.form.get("addresses", ""),
    )


@blueprint.get("/versions")
def versions(issue_id: int) -> Response:
    """What the text was before."""
    found = editing_history.versions(issue_id, actor=actor())
    return page("editor/versions.html", issue=editing.find(issue_id, actor=actor()), versions=found, tab="write")


@blueprint.get("/versions/<int(signed=True):number>")
def version(issue_id: int, number: int) -> Response:
    """One version beside the present text."""
    issue = editing.find(issue_id, actor=actor())
    text = editing_history.text_of(issue_id, number, actor=actor())
    lines = editing_history.compare(text, issue["source"])
    about = next((one for one in editing_history.versions(issue_id, actor=actor()) if one["number"] == number), None)
    return page("editor/version.html", issue=issue, number=number, lines=lines, text=text, about=about, tab="write")


@blueprint.post("/versions/<int(signed=True):number>/restore")
def restore(issue_id: int, number: int) -> Response:
    """That text again, as the newest version."""
    before = editing.find(issue_id, actor=actor())["version"]
    editing_history.restore(issue_id, number, actor=actor())
    return back(
        ".show",
        "That text is the present one again.",
        undo=(url_for(".restore", issue_id=issue_id, number=before), {}),
        issue_id=issue_id,
    )


def _saved(issue_id: int, merged: bool) -> Response:
    issue = editing.find(issue_id, actor=actor())
    parts = front_matter.split(issue["source"])
    told: dict[str, Any] = {
        "number": issue["version"],
        "at": clock(editing_history.versions(issue_id, actor=actor())[0]["at"]),
        "problems": [_shifted(one, parts) for one in issue["problems"]],
        "heading": issue["subject"],
    }
    if merged:
        told |= {"subject": parts.subject, "preheader": parts.preheader, "body": parts.body}
    return jsonify(told)


def _told(status: int, text: str, where: str) -> Response:
    response = jsonify(error=text, where=where)
    response.status_code = status
    return response


def _shifted(text: str, parts: Parts) -> str:
    """Lines as the author sees them: without the head of the file, which stands in fields of its own."""
    return _LINE.sub(
        lambda found: (
            f"line {int(found[1]) - parts.before}" if int(found[1]) > parts.before else "the subject or preview text"
        ),
        text,
    )


def _line_of(text: str) -> int | None:
    found = _LINE.search(text)
    return int(found[1]) if found else None


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
