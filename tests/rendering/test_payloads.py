"""Whatever is written into whichever field: nothing runs, nothing loads, nothing is worked out, and nothing of ours is told."""

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest

from service import settings
from service.errors import Invalid
from service.rendering.newsletter import RenderError, render
from tests.builders import a_newsletter
from tests.rendering.attacked import (
    Mailed,
    faults,
    in_a_reader,
    in_the_headline,
    in_the_newsletter,
    in_the_text,
    mailed,
    masthead,
)
from tests.rendering.payloads import PAYLOADS, TEMPLATES
from tests.rendering.rendered import PICTURES

CANARY = "canary-of-the-environment-0123456789"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NAMES = [f"{number}: {payload[:30]!a}" for number, payload in enumerate(PAYLOADS)]


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Secrets that must not come out, in the environment and in the settings."""
    for name in ("PATH_CANARY", "HOME", "SECRET_KEY"):
        monkeypatch.setenv(name, f"{CANARY}-{name}")
    before = settings._current
    environ = {
        "BROADSHEET_HOME": str(tmp_path / "home"),
        "BROADSHEET_SANDBOX": "1",
        "PUBLIC_URL": "https://news.example",
    }
    environ |= {
        "DATABASE_URL": f"postgresql://u:{CANARY}@db.example/x",
        "REDIS_URL": f"redis://:{CANARY}@cache.example/0",
    }
    settings.configure(settings.load({**environ, "SECRET_KEYS": CANARY, "ADDRESS_KEY": CANARY}))
    yield
    settings._current = before


@cache
def harmless() -> Mailed:
    return mailed(render("# News\n\nText\n", masthead(), pictures=PICTURES))


def check(mail: Mailed, payload: str) -> None:
    assert faults(mail, harmless()) == []
    everything = f"{mail.html}{mail.text}{mail.subject}{mail.request}{mail.page}{mail.mime!r}"
    assert CANARY not in everything
    if "7*7" in payload or "7 | times" in payload:
        assert "49" not in mail.text + mail.subject, "somebody worked it out"


SOME = [pytest.param(one, marks=pytest.mark.long) if number % 3 else one for number, one in enumerate(PAYLOADS)]
"""Each in the long form, one in three in the short one."""


@pytest.mark.parametrize("payload", PAYLOADS, ids=NAMES)
def test_a_text_holds_it_as_words_or_is_refused(payload: str) -> None:
    mails, refused = in_the_text(payload)
    for mail in mails:
        check(mail, payload)
    assert CANARY not in str(refused)
    assert all(refused.values()), "a refusal says why"


@pytest.mark.parametrize("payload", SOME, ids=NAMES)
def test_a_headline_a_newsletter_and_a_reader_hold_it_as_words(payload: str) -> None:
    check(in_a_reader(payload), payload)
    attacks: list[Callable[[str], Mailed]] = [
        partial(in_the_headline, key="subject"),
        partial(in_the_headline, key="preheader"),
    ]
    if CONTROL.search(payload):
        with pytest.raises(Invalid, match="control character"):
            a_newsletter(name=payload)
    else:
        attacks.append(in_the_newsletter)
    for attack in attacks:
        if (mail := unless_refused(attack, payload)) is not None:
            check(mail, payload)


def unless_refused(attack: Callable[[str], Mailed], payload: str) -> Mailed | None:
    """The mail, or nothing where the payload is refused with a reason that tells nothing of ours."""
    try:
        return attack(payload)
    except RenderError as error:
        told = str(error)
    assert CANARY not in told
    assert told
    return None


@pytest.mark.parametrize("payload", [one for one in TEMPLATES if not one.startswith("bs")], ids=ascii)
def test_template_syntax_in_a_name_comes_out_as_it_was_typed(payload: str) -> None:
    for mail in (in_a_reader(payload), in_the_newsletter(payload)):
        assert payload in mail.text.replace("\n", " ")
    assert in_a_reader(payload).subject == f"News for {payload}"


def test_the_corpus_is_as_large_as_is_claimed() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 120
