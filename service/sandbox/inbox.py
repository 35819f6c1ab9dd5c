"""The inbox page: what readers would have got, for a person to look at. Plain HTML, nothing from elsewhere, no script."""

from datetime import UTC, datetime

from flask import Blueprint, Response, abort, make_response, render_template, request

from service.sandbox import mail
from service.sandbox.events import Event
from service.sandbox.mail import Mail
from service.sandbox.parts import Parts
from service.sandbox.store import Copy

PAGE = 50
_OWN_PAGES = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# The mail's HTML comes from a client and is trusted with nothing: no script, no forms, its own origin, and pictures only
# from this machine. Links open beside it, so that a confirmation can be followed.
_STRANGERS_HTML = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data: http://127.0.0.1:* http://localhost:*; font-src data:; base-uri 'self'; frame-ancestors 'self'"
)


def blueprint(parts: Parts) -> Blueprint:
    routes = Blueprint("inbox", __name__, template_folder="templates")
    routes.add_app_template_filter(_when, "when")

    @routes.get("/")
    def index() -> Response:
        return _index(parts)

    @routes.get("/mail/<int:number>")
    def show(number: int) -> Response:
        copy, shown = _mail(parts, number)
        events = [{**event, "details": _details(event)} for event in parts.outbox.history(copy)]
        return _page("mail.html", copy=copy, mail=shown, events=events, trackers=_trackers(shown))

    @routes.get("/mail/<int:number>/html")
    def body(number: int) -> Response:
        _, shown = _mail(parts, number)
        # The base element makes every link of the mail open in a tab of its own.
        answer = Response(f'<base target="_blank">{shown.html}', content_type="text/html; charset=utf-8")
        return _guarded(answer, _STRANGERS_HTML)

    return routes


def _index(parts: Parts) -> Response:
    wanted = request.args.get("to", "").strip().replace(" ", "+")
    total = parts.store.count(address=wanted)
    last = max(1, -(-total // PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), last)
    copies = parts.store.copies(address=wanted, limit=PAGE, offset=(page - 1) * PAGE)
    rows = [{"mail": copy, "subject": _subject(parts, copy)} for copy in copies]
    return _page(
        "inbox.html", rows=rows, wanted=wanted, total=total, page=page, last=last, stats=parts.store.stats(),
        pending=parts.outbox.pending(),
    )  # fmt: skip


def _subject(parts: Parts, copy: Copy) -> str:
    """Only the subject: rendering fifty whole mails for a list would be waste."""
    try:
        body = parts.store.body(copy.request)
    except KeyError:
        return ""
    entry = body["personalizations"][copy.position]
    return mail.substitute(str(entry.get("subject") or body.get("subject") or ""), entry.get("substitutions") or {})


def _mail(parts: Parts, number: int) -> tuple[Copy, Mail]:
    copy = parts.store.copy(number)
    if copy is None:
        abort(404, "There is no such mail here, or the inbox was emptied.")
    try:
        return copy, parts.mail(copy)
    except KeyError:
        abort(404, "The inbox was emptied.")


def _trackers(shown: Mail) -> list[str]:
    settings = shown.tracking_settings
    return [name.replace("_", " ") for name, one in settings.items() if isinstance(one, dict) and one.get("enable")]


def _details(event: Event) -> str:
    parts = [event.get("type"), event.get("status"), event.get("reason") or event.get("response"), event.get("url")]
    if event.get("sg_machine_open"):
        parts.append("opened by a machine")
    return " · ".join(str(one) for one in parts if one)


def _when(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d %b %Y, %H:%M:%S UTC")


def _page(template: str, **values: object) -> Response:
    return _guarded(make_response(render_template(f"sandbox/{template}", **values)), _OWN_PAGES)


def _guarded(answer: Response, policy: str) -> Response:
    answer.headers["Content-Security-Policy"] = policy
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer
