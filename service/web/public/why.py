"""“Why do I get this?”: the reader's own consent acts as plain sentences in the language of the page. What was erased is said
to be erased, and nothing is guessed."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from service.domain.consent import Act
from service.languages import mark, name_language
from service.operations import explaining, preferences
from service.web import frame, sessions
from service.web.frame import gettext, page

blueprint = Blueprint("why", __name__)

_SAID: Mapping[tuple[str, str], str] = {
    ("given", "form"): mark("You agreed on our sign-up page."),
    ("given", "embed"): mark("You agreed in a sign-up form of ours on another site."),
    ("given", "api"): mark("You agreed in a form on a site that passes sign-ups on to us."),
    ("given", "import"): mark("Your agreement was taken over from a file that the sender vouched for."),
    ("given", "preferences"): mark(
        "You agreed on the page of your newsletters, which a link mailed to you had opened."
    ),
    ("given", "undo"): mark("You took your leaving back: the agreement before it holds again."),
    ("given", "address-change"): mark("You changed your address: the agreement given at the old one was carried over."),
    ("confirmed", "confirm-button"): mark(
        "You confirmed it by the button behind the link in the mail that we had sent you."
    ),
    ("confirmed", "confirm-auto"): mark(
        "You confirmed it by opening the link in the mail that we had sent you, in the browser that the sign-up came from."
    ),
    ("confirmed", "preferences"): mark("This counts as confirmed, because the link had been mailed to you."),
    ("confirmed", "undo"): mark("This counts as confirmed, because the same page had just ended it."),
    ("confirmed", "address-change"): mark("Both addresses confirmed the change by the button in a mail."),
    ("withdrawn", "one-click"): mark("You took it back with the unsubscribe button of your mail program."),
    ("withdrawn", "page"): mark("You took it back on the page behind the link in a mail."),
    ("withdrawn", "leave-all"): mark("You left all newsletters on the page behind the link in a mail."),
    ("withdrawn", "preferences"): mark("You took it back on the page of your newsletters."),
    ("withdrawn", "form"): mark("You left the box for this empty on our sign-up page."),
    ("withdrawn", "embed"): mark("You left the box for this empty in a sign-up form of ours on another site."),
    ("withdrawn", "api"): mark("You left the box for this empty in a form on a site that passes sign-ups on to us."),
    ("withdrawn", "import"): mark("A file of the sender's says that you do not want it."),
    ("withdrawn", "event-complained"): mark("Your mail provider told us that you reported a mail as unwanted."),
    ("withdrawn", "event-unsubscribed"): mark(
        "The mail provider that we send through told us that you unsubscribed there."
    ),
    ("withdrawn", "erasure"): mark("It ended when you were erased."),
    ("withdrawn", "address-change"): mark("It ended at your old address when you changed to the new one."),
}
_ANY: Mapping[str, str] = {
    "given": mark("You agreed (%(method)s)."),
    "confirmed": mark("You confirmed it (%(method)s)."),
    "withdrawn": mark("It was taken back (%(method)s)."),
}
_PURPOSES: Mapping[str, str] = {
    "newsletter": mark("The newsletter itself"),
    "tracking": mark("Recording what you open and follow"),
    "export": mark("The transfer of your address to the United States"),
}


@blueprint.get("/preferences/why")
def show() -> Response:
    """Each act in its order."""
    session = sessions.required()
    reader = preferences.view(session.subscriber_id, frame.language())
    acts = explaining.explain(reader.email_key)
    return page("public/why.html", session=session, reader=reader, acts=[_told(act) for act in acts])


def _told(act: Act) -> dict[str, Any]:
    return {
        "at": act.at,
        "about": act.newsletter_name or "",
        "purpose": gettext(_PURPOSES[act.purpose]) if act.purpose in _PURPOSES else act.purpose,
        "said": _said(act),
        "wording": act.wording,
        "facts": _facts(act),
        "former": act.former,
    }


def _said(act: Act) -> str:
    known = _SAID.get((act.action, act.method))
    return gettext(known) if known else gettext(_ANY[act.action], method=act.method)


def _facts(act: Act) -> list[tuple[str, str]]:
    """What else was recorded, in the words of the page; erased details are said to be erased."""
    facts = []
    if act.file_name:
        facts.append((gettext("File"), act.file_name))
    erased = gettext("erased since")
    if act.origin is None:
        facts.append((gettext("Where it came from"), erased))
    elif act.origin:
        # A list, so that a fact added later shows up here by its own name.
        facts += [
            (_NAMES[name]() if name in _NAMES else name, _value(name, value)) for name, value in act.origin.items()
        ]
    if act.details is None:
        facts.append((gettext("Details"), erased))
    elif act.details:
        facts += [(_NAMES[name](), _value(name, value)) for name, value in act.details.items() if name in _NAMES]
    return facts


def _value(name: str, value: object) -> str:
    """In the words of the page where the record has a word of ours; else as recorded."""
    text = str(value)
    if name == "language":
        return name_language(text, frame.language())
    return gettext(_VALUES[name, text]) if (name, text) in _VALUES else text


_VALUES: Mapping[tuple[str, str], str] = {
    ("form", "page"): mark("our sign-up page"),
    ("form", "embed"): mark("a form of ours on another site"),
    ("form", "api"): mark("a site that passes sign-ups on to us"),
    ("default", "unticked"): mark("not ticked"),
}
_NAMES = {
    "network": lambda: gettext("Network"),
    "user_agent": lambda: gettext("Browser"),
    "language": lambda: gettext("Language of the form"),
    "default": lambda: gettext("How the box stood before"),
    "form": lambda: gettext("Form"),
    "line": lambda: gettext("Line of the file"),
}
