"""Writing one issue: the text, its pictures and versions, and how the mail looks meanwhile."""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for

from service.domain.permissions import Permission
from service.errors import BroadsheetError, Conflict, Invalid, NotFound, RetryLater
from service.languages import name_language
from service.operations import editing, editing_files, editing_history, editing_languages, looking
from service.operations.editing import Collision
from service.rendering import front_matter
from service.web.admin import gate, issues
from service.web.admin.editor_lines import Open
from service.web.admin.frame import actor, back, clock, fragment, framed, operator, page

blueprint = Blueprint("admin_editor", __name__, url_prefix=f"{gate.PREFIX}/issues/<int:issue_id>")

OFTEN = ("de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt", "zh-Hans", "zh-Hant")
"""Languages that are offered; any other can be typed."""


@blueprint.get("/write")
def show(issue_id: int) -> Response:
    """The text, and the mail beside it."""
    return _show(issue_id)


@blueprint.post("/write")
@gate.takes(gate.LARGEST_FIELDS)
def save(issue_id: int) -> Response:
    """Keep the text. A script gets JSON, a form the page."""
    given = request.form
    issue = editing.find(issue_id, actor=actor())
    language = _language(issue)
    before = front_matter.split(editing.texts_of(issue)[language])
    text = front_matter.join(given.get("subject", ""), given.get("preheader", ""), given.get("body", ""), before.others)
    base = int(given["base"]) if given.get("base", "").isdecimal() else 0
    by_script = request.accept_mimetypes.best == "application/json"
    try:
        saved = editing.save(
            issue_id,
            text,
            base=base,
            actor=actor(),
            why="autosaved" if given.get("auto") else "saved",
            language=language,
        )
    except Collision as error:
        where = url_for(".version", issue_id=issue_id, number=error.number, language=language or None)
        if by_script:
            return _told(409, str(error), where)
        return back(".version", issue_id=issue_id, number=error.number, language=language or None)
    except (Invalid, Conflict) as error:
        if by_script:
            return _told(422, str(error), "")
        raise
    if not by_script:
        return back(
            ".show",
            "Saved." if not saved.merged else "Saved, with what somebody else changed meanwhile.",
            issue_id=issue_id,
            language=language or None,
        )
    return _saved(issue_id, language, saved.merged)


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
    language = _language(issue)
    lines = _open(issue, language)
    report = looking.check(issue_id, actor=actor(), network=request.args.get("network") == "yes")
    return fragment(
        "editor/preflight.html",
        issue=issue,
        language=language,
        found=[(one, *lines.finding(one.where)) for one in report.findings],
        problems=[lines.problem(one) for one in issue["problems"]],
        asked_network=request.args.get("network"),
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
    issue = editing.find(issue_id, actor=actor(), permission=Permission.WRITE)
    before, language = issue["version"], _language(issue)
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return back(".show", "Choose a file first.", issue_id=issue_id, language=language or None)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"file{editing_files.suffix_of(sent.filename)}"
        sent.save(path)
        source, told = editing_files.read(path, sent.filename)
        editing_files.replace_text(issue_id, source, base=before, actor=actor(), language=language)
    words = (
        f"The text is now that of {sent.filename}. {len(told)} things in it were not taken as they were."
        if told
        else f"The text is now that of {sent.filename}."
    )
    again = (url_for(".restore", issue_id=issue_id, number=before), {"language": language})
    return back(".show", words, undo=again, issue_id=issue_id, language=language or None)


@blueprint.post("/languages")
def add_language(issue_id: int) -> Response:
    """The same issue in another language, which begins as a copy of the main text."""
    try:
        language = editing_languages.add(issue_id, request.form.get("tag", ""), actor=actor())
    except Invalid as error:
        return _show(issue_id, 422, error.problems)
    words = f"Added. It begins as a copy of the main text: write it in {name_language(language, 'en')} now."
    return back(".show", words, issue_id=issue_id, language=language)


@blueprint.post("/languages/remove")
def remove_language(issue_id: int) -> Response:
    """Take a language away; the notice can put it back."""
    language = request.form.get("language", "")
    number = editing_languages.remove(issue_id, language, actor=actor())
    again = (url_for(".restore", issue_id=issue_id, number=number), {"language": language})
    words = f"{name_language(language, 'en')} is taken away: its readers get the main text."
    return back(".show", words, undo=again, issue_id=issue_id)


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
            variant=request.form.get("variant"),
            addresses=request.form.get("addresses", ""),
        )
    return fragment(
        "editor/test.html",
        issue=editing.find(issue_id, actor=actor()),
        sent=sent,
        variant=request.form.get("variant"),
        addresses=request.form.get("addresses", ""),
    )


@blueprint.get("/versions")
def versions(issue_id: int) -> Response:
    """What the text was before."""
    issue = editing.find(issue_id, actor=actor())
    language = _language(issue)
    found = editing_history.versions(issue_id, actor=actor(), language=language)
    return page(
        "editor/versions.html", issue=issue, versions=found, language=language, name=_name(language), tab="write"
    )


@blueprint.get("/versions/<int(signed=True):number>")
def version(issue_id: int, number: int) -> Response:
    """One version beside the present text."""
    issue = editing.find(issue_id, actor=actor())
    language = _language(issue)
    text = editing_history.text_of(issue_id, number, actor=actor(), language=language)
    lines = editing_history.compare(text, editing.texts_of(issue)[language])
    all_of_it = editing_history.versions(issue_id, actor=actor(), language=language)
    about = next((one for one in all_of_it if one["number"] == number), None)
    return page(
        "editor/version.html",
        issue=issue,
        number=number,
        lines=lines,
        text=text,
        about=about,
        language=language,
        tab="write",
    )


@blueprint.post("/versions/<int(signed=True):number>/restore")
def restore(issue_id: int, number: int) -> Response:
    """That text again, as the newest version."""
    language = request.form.get("language", editing.MAIN)
    before = editing.find(issue_id, actor=actor())["version"]
    editing_history.restore(issue_id, number, actor=actor(), language=language)
    again = (url_for(".restore", issue_id=issue_id, number=before), {"language": language})
    return back(
        ".show", "That text is the present one again.", undo=again, issue_id=issue_id, language=language or None
    )


def _language(issue: dict[str, Any]) -> str:
    """The language that is asked for, MAIN for the newsletter's own. Raises NotFound."""
    asked = request.values.get("language", editing.MAIN)
    if asked == issue["newsletter_language"]:
        return editing.MAIN
    if asked not in editing.texts_of(issue):
        raise NotFound("The issue has no text in this language.")
    return asked


def _open(issue: dict[str, Any], language: str) -> Open:
    own = issue["newsletter_language"]
    texts = {tag or own: text for tag, text in editing.texts_of(issue).items()}
    return Open(texts, language or own)


def _name(language: str) -> str:
    return name_language(language, "en") if language else ""


def _show(issue_id: int, status: int = 200, language_problems: tuple[str, ...] = ()) -> Response:
    issue = editing.find(issue_id, actor=actor())
    language = editing.MAIN if language_problems else _language(issue)
    parts = front_matter.split(editing.texts_of(issue)[language])
    variants = looking.variants(issue_id, actor=actor())
    own = language or issue["newsletter_language"]
    return page(
        "editor/show.html",
        status,
        issue=issue,
        parts=parts,
        may_write=actor().may(Permission.WRITE, issue["newsletter_id"]) and issue["state"] in editing.EDITABLE,
        language=language,
        languages=[(tag, name_language(tag or issue["newsletter_language"], "en")) for tag in editing.texts_of(issue)],
        language_problems=language_problems,
        known=[(tag, name_language(tag, "en")) for tag in OFTEN],
        variants=variants,
        variant=next((one for one in variants if one == own or one.startswith((f"{own}/", f"{own} ("))), None),
        fields=sorted(editing.fields_of(issue_id, actor=actor())),
        tab="write",
    )


def _saved(issue_id: int, language: str, merged: bool) -> Response:
    issue = editing.find(issue_id, actor=actor())
    lines = _open(issue, language)
    parts = front_matter.split(lines.texts[lines.language])
    told: dict[str, Any] = {
        "number": issue["version"],
        "at": clock(editing_history.versions(issue_id, actor=actor(), language=language)[0]["at"]),
        "problems": [lines.problem(one)[0] for one in issue["problems"]],
        "heading": issue["subject"],
    }
    if merged:
        told |= {"subject": parts.subject, "preheader": parts.preheader, "body": parts.body}
    return jsonify(told)


def _told(status: int, text: str, where: str) -> Response:
    response = jsonify(error=text, where=where)
    response.status_code = status
    return response


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
