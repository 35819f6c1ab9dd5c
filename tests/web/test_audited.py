"""Every form of the team's side and every call of its API that changes something writes down who did it, or is named here with why
not. Followed from the view through all that it calls, so that what is added later is looked at too."""

from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from service import factory
from service.operations.auditing import audit
from service.settings import Settings
from service.web.admin import gate
from service.web.api.calls import CALLS

_LOOKS = "it looks, and is posted only so that no address or word stands in the address of a page"
WHY_NOT = {
    "admin_account.passkey_options": "it makes up what is to be signed, and keeps nothing",
    "admin_signing_in.passkey_options": "it makes up what is to be signed, and keeps nothing",
    "admin_account.prove": "it proves who is there; what is done then is written down",
    "admin_editor.mail_of_reader": _LOOKS,
    "admin_editor.presence": "it says who has the text open, which others see for half a minute",
    "admin_readers.search": _LOOKS,
    "admin_readers.stop": "it ends a search of one's own, and changes nothing",
    "admin_report.search": _LOOKS,
    "admin_segments.count": _LOOKS,
    "admin_segments.shape": _LOOKS,
    "admin_signing_in.ask_for_link": "nobody is known to ask; that the link was mailed is written down",
    "api.count_segment": _LOOKS,
    "api.find_readers": _LOOKS,
}


def names_in(code: CodeType) -> Iterator[str]:
    """All names that a function's code asks for, those of the functions within it too."""
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from names_in(one)


def called_by(function: FunctionType) -> Iterator[FunctionType]:
    """Functions of ours that this one names: of its own module, imported, or of an imported module."""
    names = set(names_in(function.__code__))
    known = [function.__globals__[name] for name in names if name in function.__globals__]
    modules = [one for one in known if isinstance(one, ModuleType)]
    for one in known + [vars(module).get(name) for module in modules for name in names]:
        if isinstance(one, FunctionType) and one.__module__.startswith("service."):
            yield one


def writes(view: Callable[..., Any]) -> bool:
    """Whether there is a way from this view to an audit entry."""
    waiting, seen = [view], set[Any]()
    while waiting:
        function = waiting.pop()
        if function is audit:
            return True
        if isinstance(function, FunctionType) and function not in seen:
            seen.add(function)
            waiting.extend(called_by(function))
    return False


def changing(chosen: Settings) -> dict[str, Callable[..., Any]]:
    """Endpoint or call → what it runs, of everything that is no mere look."""
    app = factory.create_app(chosen)
    forms = {
        rule.endpoint: app.view_functions[rule.endpoint]
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("admin_") and (rule.methods or set()) - set(gate.SAFE)
    }
    return forms | {f"api.{one.name}": one.run for one in CALLS if one.method not in gate.SAFE}


def test_whatever_changes_something_is_written_down(database: Settings) -> None:
    silent = {name for name, run in changing(database).items() if not writes(run)}
    assert silent == set(WHY_NOT)


def _writes_nothing() -> None:
    pytest.fail("nobody calls this")


def test_a_view_that_writes_nothing_is_noticed() -> None:
    assert not writes(_writes_nothing)
