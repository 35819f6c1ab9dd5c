"""Asks several things at once and answers in time, whoever does not. A question that hangs is not asked again meanwhile: everybody
waits for the same answer, so that no server that is frozen collects threads of ours."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """What was found of one thing: whether it is well, and words."""

    ok: bool
    words: str


@dataclass
class _Question:
    findings: dict[str, Finding] = field(default_factory=dict)
    answered: threading.Event = field(default_factory=threading.Event)


Work = Callable[[dict[str, Finding]], None]
_open: dict[str, _Question] = {}
_lock = threading.Lock()


def ask(questions: dict[str, tuple[tuple[str, ...], Work]], seconds: float) -> dict[str, Finding]:
    """Ask all, each in a thread: name → which findings it makes, and the work that fills them in. What is not there after so many
    seconds is not well."""
    deadline = time.monotonic() + seconds
    asked = {name: _begin(name, work) for name, (_, work) in questions.items()}
    found: dict[str, Finding] = {}
    for name, question in asked.items():
        in_time = question.answered.wait(max(0.0, deadline - time.monotonic()))
        there = dict(question.findings)
        silence = "this could not be looked at" if in_time else f"no answer within {seconds:g} seconds"
        found |= {what: there.get(what, Finding(False, silence)) for what in questions[name][0]}
    return found


def _begin(name: str, work: Work) -> _Question:
    with _lock:
        question = _open.get(name)
        if question is None:
            question = _open[name] = _Question()
            threading.Thread(target=_answer, args=(name, question, work), name=f"ask {name}", daemon=True).start()
        return question


def _answer(name: str, question: _Question, work: Work) -> None:
    try:
        work(question.findings)
    finally:
        with _lock:
            if _open.get(name) is question:
                del _open[name]
        question.answered.set()


def forget() -> None:
    """After a fork: the threads of the parent are not here."""
    global _lock
    _lock = threading.Lock()
    _open.clear()
