"""Calls on readers, segments, imports and the audit log."""

from typing import Any

from flask import request

from service.errors import Invalid
from service.operations import auditing_log, finding, importing_undo, reader_pages, segments, tagging, uploading
from service.web.api.call import PAGE, REASON, Call, Field, page_size
from service.web.api.given import Given


def _find_readers(given: Given, *, actor: str) -> Any:
    found = finding.find(
        given.text("words"),
        actor=actor,
        newsletter_id=given.number("newsletter_id"),
        before=given.number("before"),
        limit=page_size(given),
    )
    return {"readers": found}


def _reader(_: Given, *, actor: str, reader_id: int) -> Any:
    found = reader_pages.show(reader_id, actor=actor)
    return {
        **{name: value for name, value in found.items() if name not in ("newsletters", "email_key")},
        "acts": [vars(act) for act in found["acts"]],
    }


def _save_segment(given: Given, *, actor: str) -> Any:
    made, _ = segments.save(given.number("newsletter_id") or 0, given.text("name"), given.fields["blocks"], actor=actor)
    return {"id": made}


def _count_segment(given: Given, *, actor: str) -> Any:
    found = segments.count(given.number("newsletter_id") or 0, given.fields["blocks"], actor=actor)
    return {"readers": found.readers, "active": found.active}


def _upload(given: Given, *, actor: str) -> Any:
    newsletter = str(given.fields.get("newsletter_id", ""))
    if not newsletter.isascii() or not newsletter.isdecimal():
        raise Invalid("newsletter_id is missing.")
    name = str(given.fields.get("name") or "from a program.csv")
    made = uploading.receive(int(newsletter), name, request.stream, actor=actor)
    return {"id": made, "columns": uploading.columns(made, actor=actor)}


def _choose(given: Given, *, actor: str, upload_id: int) -> None:
    columns = given.fields["columns"]
    if not all(str(place).isdecimal() for place in columns):
        raise Invalid('columns has to name columns by their place: {"0": "email"}.')
    choices = {"consent": given.text("consent"), "update_existing": bool(given.fields.get("update_existing"))}
    uploading.choose(upload_id, {int(place): str(name) for place, name in columns.items()}, choices, actor=actor)


def _an_upload(_: Given, *, actor: str, upload_id: int) -> Any:
    found = uploading.find(upload_id, actor=actor)
    return {name: value for name, value in found.items() if name not in ("path", "lease_until")}


def _audit(given: Given, *, actor: str) -> Any:
    return {
        "entries": auditing_log.find(
            actor=actor, words=given.text("words"), before=given.number("before"), limit=page_size(given)
        )
    }


CALLS = (
    Call(
        "POST",
        "/readers/find",
        "find_readers",
        "Readers by the beginning of a name or address; posted, so that no address stands in a log",
        _find_readers,
        {
            "words": Field("text", "What is remembered of them."),
            "newsletter_id": Field("number", "Of this newsletter only."),
            **PAGE,
        },
    ),
    Call("GET", "/readers/<int:reader_id>", "reader", "One reader, with the proof of their consent", _reader),
    Call(
        "POST",
        "/readers/<int:reader_id>/tags",
        "tag",
        "Give them a tag",
        lambda given, actor, reader_id: {"id": tagging.add(reader_id, given.text("tag"), actor=actor)},
        {"tag": Field("text", "Its name.", True)},
    ),
    Call(
        "DELETE",
        "/readers/<int:reader_id>/tags/<int:tag_id>",
        "untag",
        "Take a tag from them",
        lambda _, actor, reader_id, tag_id: {"tag": tagging.remove(reader_id, tag_id, actor=actor)},
    ),
    Call(
        "POST",
        "/readers/<int:reader_id>/suppress",
        "suppress",
        "Never write to them again",
        lambda given, actor, reader_id: reader_pages.suppress(reader_id, reason=given.text("reason"), actor=actor),
        {"reason": REASON},
    ),
    Call(
        "POST",
        "/subscriptions/<int:subscription_id>/unsubscribe",
        "unsubscribe",
        "End a subscription for a reader who asked for it another way",
        lambda given, actor, subscription_id: reader_pages.unsubscribe(
            subscription_id, reason=given.text("reason"), actor=actor
        ),
        {"reason": REASON},
    ),
    Call(
        "GET",
        "/segments",
        "segments",
        "Parts of newsletters' readers",
        lambda _, actor: {"segments": segments.listed(actor=actor)},
    ),
    *(
        Call(
            "POST",
            path,
            name,
            summary,
            run,
            {
                "newsletter_id": Field("number", "Of whose readers.", True),
                "blocks": Field("list", "Blocks of conditions: each has `what`, `how`, `value`, `name`.", True),
                **({"name": Field("text", "What it is chosen by.", True)} if name == "create_segment" else {}),
            },
            201 if name == "create_segment" else 200,
        )
        for path, name, summary, run in (
            ("/segments", "create_segment", "Save a segment", _save_segment),
            ("/segments/count", "count_segment", "Count without saving", _count_segment),
        )
    ),
    Call(
        "POST",
        "/imports",
        "upload",
        "Send a CSV file; nothing is imported yet",
        _upload,
        {"newsletter_id": Field("number", "For which newsletter.", True), "name": Field("text", "The file's name.")},
        201,
        takes_file=True,
    ),
    Call(
        "GET",
        "/imports/<int:upload_id>",
        "an_import",
        "How far it is, and what would become or became of its rows",
        _an_upload,
    ),
    Call(
        "POST",
        "/imports/<int:upload_id>/columns",
        "choose_columns",
        "Say what the columns hold and how the readers agreed; then it is looked through",
        _choose,
        {
            "columns": Field("object", "Place → email, first_name, last_name, language, or an attribute's name.", True),
            "consent": Field("text", "How, where and when these readers agreed.", True),
            "update_existing": Field("yes", "Also change what is known of readers who are there already."),
        },
    ),
    Call(
        "POST",
        "/imports/<int:upload_id>/start",
        "start_import",
        "Take it as it was looked through",
        lambda given, actor, upload_id: uploading.start(upload_id, actor=actor, typed=given.text("readers")),
        {"readers": Field("text", "How many are added, where there are many.")},
    ),
    Call(
        "POST",
        "/imports/<int:import_id>/undo",
        "undo_import",
        "Take a whole import back",
        lambda _, actor, import_id: importing_undo.undo(import_id, actor=actor).to_json(),
    ),
    Call("GET", "/audit", "audit", "Who did what", _audit, {"words": Field("text", "Anywhere in an entry."), **PAGE}),
)
