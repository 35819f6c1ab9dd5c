"""Calls on newsletters and issues: written, checked, approved, sent, watched."""

from datetime import timedelta
from typing import Any

from service.errors import Invalid
from service.operations import (
    approving,
    editing,
    editing_history,
    issue_report,
    looking,
    newsletters,
    scheduling,
    segments,
    send_room,
)
from service.web.api.call import LIMIT, PAGE, Call, Field, page_size
from service.web.api.given import Given

_HIDDEN = ("audience_hash", "lease_until", "marker", "forgotten")


def _issue(issue_id: int, actor: str) -> dict[str, Any]:
    found = {name: value for name, value in editing.find(issue_id, actor=actor).items() if name not in _HIDDEN}
    return found | {"audience": segments.shown(found["audience"], found["newsletter_id"], actor=actor)}


def _issues(given: Given, *, actor: str) -> Any:
    found = editing_history.listed(
        actor, newsletter_id=given.number("newsletter_id"), before=given.number("before"), limit=page_size(given)
    )
    return {"issues": found}


def _begin(given: Given, *, actor: str) -> Any:
    made = editing.begin(given.number("newsletter_id") or 0, actor=actor, subject=given.text("subject"))
    if given.text("markdown"):
        editing.save(made, given.text("markdown"), base=editing.find(made, actor=actor)["version"], actor=actor)
    return _issue(made, actor)


def _write(given: Given, *, actor: str, issue_id: int) -> Any:
    saved = editing.save(issue_id, given.text("markdown"), base=given.number("base") or 0, actor=actor)
    return {"version": saved.number, "merged": saved.merged, "problems": saved.problems}


def _aim(given: Given, *, actor: str, issue_id: int) -> Any:
    chosen = {name: value for name, value in given.fields.items() if value}
    if wrong := [name for name, ids in chosen.items() if not all(type(one) is int for one in ids)]:
        raise Invalid(*(f"{name} has to be a list of ids." for name in wrong))
    kept = {k: v for k, v in editing.find(issue_id, actor=actor)["audience"].items() if k in ("import", "got", "again")}
    editing.set_audience(issue_id, kept | chosen, actor=actor)
    return _expected(given, actor=actor, issue_id=issue_id)


def _expected(_: Given, *, actor: str, issue_id: int) -> Any:
    who = send_room.expected(issue_id, actor=actor)
    return {"readers": who.readers, "left_out": who.left_out, "not_meant": who.outside}


def _preflight(_: Given, *, actor: str, issue_id: int) -> Any:
    found = looking.check(issue_id, actor=actor)
    return {"findings": [vars(one) for one in found.findings], "blocking": len(found.blocking)}


def _test(given: Given, *, actor: str, issue_id: int) -> Any:
    addresses = [str(one) for one in given.fields.get("addresses") or []]
    return {"sent": looking.send_test(issue_id, addresses, actor=actor)}


def _send(given: Given, *, actor: str, issue_id: int) -> Any:
    """The number of readers stands for what a person types on the page: who did not look is told."""
    readers = send_room.expected(issue_id, actor=actor).readers
    if given.number("readers") != readers:
        raise Invalid(
            f"It would go to {readers:,} readers now. Send this number as `readers`, to say that they are meant."
        )
    scheduling.schedule(
        issue_id,
        actor=actor,
        wait=timedelta(seconds=given.number("wait_seconds") or 0),
        at=given.moment("at"),
        seen=given.text("content_hash") or None,
        override=given.fields.get("despite_preflight"),
    )
    return {"readers": readers}


def _progress(_: Given, *, actor: str, issue_id: int) -> Any:
    return send_room.progress(issue_id, actor=actor)


def _readers_of(given: Given, *, actor: str, issue_id: int) -> Any:
    return {
        "readers": issue_report.readers(issue_id, actor=actor, after=given.number("after") or 0, limit=page_size(given))
    }


CALLS = (
    Call(
        "GET",
        "/newsletters",
        "newsletters",
        "The newsletters that the key sees",
        lambda _, actor: {"newsletters": newsletters.listed(actor)},
    ),
    Call(
        "GET",
        "/issues",
        "issues",
        "Issues, the newest first",
        _issues,
        {"newsletter_id": Field("number", "Of this newsletter only."), **PAGE},
    ),
    Call(
        "POST",
        "/issues",
        "create_issue",
        "Begin an issue",
        _begin,
        {
            "newsletter_id": Field("number", "In which newsletter.", True),
            "subject": Field("text", "The subject, where the text names none."),
            "markdown": Field("text", "The text, as in the editor."),
        },
        201,
    ),
    Call("GET", "/issues/<int:issue_id>", "issue", "One issue", lambda _, actor, issue_id: _issue(issue_id, actor)),
    Call(
        "PUT",
        "/issues/<int:issue_id>/text",
        "write",
        "Save a text that was begun from version `base`",
        _write,
        {
            "markdown": Field("text", "The whole text.", True),
            "base": Field("number", "The version that it was begun from.", True),
        },
    ),
    Call(
        "PUT",
        "/issues/<int:issue_id>/audience",
        "choose_audience",
        "Say who of the newsletter's readers is meant",
        _aim,
        {
            name: Field("list", told)
            for name, told in {
                "segments": "Ids of segments: only readers in one of them.",
                "without_segments": "Ids of segments: no reader in one of them.",
                "without_newsletters": "Ids of newsletters: nobody who gets one of them, too.",
                "without_issues": "Ids of issues: nobody who got one of them.",
            }.items()
        },
    ),
    Call(
        "GET",
        "/issues/<int:issue_id>/expected",
        "expected",
        "Who would get it now, and who is left out and why",
        _expected,
    ),
    Call("GET", "/issues/<int:issue_id>/preflight", "preflight", "What is to be mended before it is sent", _preflight),
    Call(
        "POST",
        "/issues/<int:issue_id>/test",
        "test",
        "Send a test to at most five addresses",
        _test,
        {"addresses": Field("list", "Whom to send it to.", True)},
    ),
    Call(
        "POST",
        "/issues/<int:issue_id>/ask-approval",
        "ask_approval",
        "Ask for a second person's approval",
        lambda given, actor, issue_id: approving.ask(issue_id, given.text("words"), actor=actor),
        {"words": Field("text", "Kept with it.")},
    ),
    Call(
        "POST",
        "/issues/<int:issue_id>/send",
        "send",
        "Send it, now or at a moment; a second call changes nothing",
        _send,
        {
            "readers": Field("number", "How many readers are meant, as `expected` says.", True),
            "at": Field("text", "When, with its zone."),
            "wait_seconds": Field("number", "So long it can be taken back."),
            "content_hash": Field("text", "Refuse if the content is another by now."),
            "despite_preflight": Field("text", "The reason to send it despite what preflight found."),
        },
    ),
    Call("GET", "/issues/<int:issue_id>/progress", "progress", "How far it is", _progress),
    *(
        Call("POST", f"/issues/<int:issue_id>/{name}", name, summary, run)
        for name, summary, run in (
            (
                "unschedule",
                "Take a sending back before anything of it is prepared",
                lambda _, actor, issue_id: scheduling.unschedule(issue_id, actor=actor),
            ),
            (
                "pause",
                "Send nothing more of it for now",
                lambda _, actor, issue_id: scheduling.pause(issue_id, actor=actor),
            ),
            ("resume", "Go on with it", lambda _, actor, issue_id: scheduling.resume(issue_id, actor=actor)),
            (
                "cancel",
                "Send it to nobody else, for good",
                lambda _, actor, issue_id: {"readers": scheduling.cancel(issue_id, actor=actor)},
            ),
        )
    ),
    Call(
        "GET",
        "/issues/<int:issue_id>/report",
        "report",
        "Counts only",
        lambda _, actor, issue_id: issue_report.of_issue(issue_id, actor=actor),
    ),
    Call(
        "GET",
        "/issues/<int:issue_id>/readers",
        "report_readers",
        "What became of every copy",
        _readers_of,
        {"after": Field("number", "The id of the last delivery seen."), "limit": LIMIT},
    ),
)
