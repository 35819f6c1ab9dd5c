"""The suite decides in a person's stead: what an event has settled by then needs no decision, and is none of its faults."""

from collections.abc import Callable
from typing import Any

from service.lab.faults import checking
from service.lab.faults.issues import Sending
from service.operations import reporting, scheduling
from tests.builders import a_newsletter, an_issue, readers
from tests.conftest import Sandbox

WHOSE = "SELECT b.id AS batch, a.id::text AS attempt FROM batches b JOIN attempts a ON a.batch_id = b.id ORDER BY b.id"


class _Late(Sending):
    """Somebody whose list of unknown batches is of a moment ago."""

    def __init__(self, listed: list[dict[str, Any]], taken: set[str]) -> None:
        self._listed, self._taken = listed, taken

    def show(self) -> dict[str, Any]:
        return {"unknown_batches": self._listed}

    def books(self) -> checking.Books:
        copies = [checking.Copy("ann@readers.example", "r", attempt, "1") for attempt in self._taken]
        return checking.Books(state="sending", candidates=2, fates={}, attempts={}, copies=copies)


def test_a_batch_that_an_event_settled_meanwhile_needs_no_decision(
    web: str, sandbox: Sandbox, drain: Callable[..., int], sql: Callable[..., list[Any]]
) -> None:
    newsletter = a_newsletter()
    readers(newsletter, ["ann@readers.example", "bob@readers.example"])
    issue = an_issue(newsletter)
    scheduling.schedule(issue, actor="test")
    drain()
    ((batch, attempt),) = sql(WHOSE)
    assert sql("SELECT state FROM batches") == [("accepted",)]
    assert _Late([{"batch": batch, "attempt": attempt}], {attempt}).decide() == (0, 0)
    assert _Late([{"batch": batch, "attempt": attempt}], set()).decide() == (0, 0)
    assert reporting.show(issue)["ledger"]["accepted_by_decision"] == 0
