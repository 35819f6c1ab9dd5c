"""F8: the wall clock jumps by two hours, of the product's processes, of the database, or of both, in the middle of an issue. Leases
are the database's time, a request's age is counted on a clock that nobody sets, and nothing is sent again for a jump."""

from service.errors import BroadsheetError
from service.lab.faults.run import Run

KINDS = (
    {"processes": "-2h"}, {"database": "+2h"}, {"processes": "+2h"}, {"database": "-2h"}, {"processes": "+2h", "database": "+2h"},
)  # fmt: skip


def clocks_jump(run: Run) -> None:
    """F8: the kinds go round with the seed."""
    offsets = KINDS[run.seed % len(KINDS)]
    run.notes |= offsets
    clocks = run.machine.clocks
    if clocks is None:
        raise BroadsheetError("This machine's clocks cannot be set.")
    run.script()
    sending = run.send()
    run.somewhere(sending, 0.4)
    run.killed()
    clocks.set(offsets)
    sending.wait_until_settled_or_held()
    clocks.set({})
