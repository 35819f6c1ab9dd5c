"""Inlining is the dear part of rendering: it is done once for a variant when the issue is written, never for a reader."""

from collections.abc import Callable

import pytest

from service.operations import previewing, scheduling
from service.rendering import inlining
from service.settings import Settings
from tests.builders import a_newsletter, an_issue, people, readers
from tests.conftest import Sandbox


@pytest.mark.parametrize("number", [1, 25])
def test_premailer_runs_once_for_a_variant_however_many_readers_there_are(
    number: int,
    database: Settings,
    sandbox: Sandbox,
    drain: Callable[..., int],
    other_settings: Callable[..., Settings],
) -> None:
    other_settings(batch_size=10)
    newsletter = a_newsletter()
    readers(newsletter, people(number))
    pages: list[str] = []
    with inlining.watched(pages.append):
        issue = an_issue(newsletter)
        assert len(pages) == 1
        scheduling.schedule(issue, actor="test")
        drain()
        assert len(sandbox.messages(people(number)[-1])) == 1
        previewing.preview_issue(issue, reader=people(1)[0])
    assert len(pages) == 1


def test_each_issue_has_its_own_run(database: Settings) -> None:
    newsletter = a_newsletter()
    pages: list[str] = []
    with inlining.watched(pages.append):
        an_issue(newsletter)
        an_issue(newsletter, "# Other news\n\nText\n")
    assert len(pages) == 2
