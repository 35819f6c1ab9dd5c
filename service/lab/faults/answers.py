"""F6: the provider's answers go wrong in every way that was reported of it, several in one issue; and one reader is refused."""

from collections.abc import Iterator
from typing import Any

from service.lab.faults.checking import Books
from service.lab.faults.run import Run, patiently

BEFORE = (
    "429",
    "429-bare",
    "500",
    "502-html",
    "503",
    "stall",
    "drop",
    "garbage",
    "redirect",
    "401",
    "403",
    "413",
    "400-unnamed",
)
AFTER = ("500-after-accept", "stall-after-accept", "drop-after-accept", "garbage-202", "slow-drip")
"""The mail was taken all the same."""
REFUSING = ("413", "400-unnamed")
"""Answers to whatever is asked that are taken for the request's own fault."""
STALL = 40.0
"""Seconds: longer than a request is waited for."""


def answered_wrong(run: Run) -> None:
    """The kinds go round with the seed; one bad address is among the readers, refused by its index or without it."""
    kinds = [*BEFORE, *AFTER]
    chosen = [kinds[run.seed % len(kinds)], *run.rng.sample(kinds, 2)]
    reader = patiently(lambda: _somebody(run))
    named = run.rng.random() < 0.5
    run.notes |= {"answers": chosen, "bad_reader": "named" if named else "unnamed"}
    rules = [_rule(run, kind, place) for kind, place in zip(chosen, run.rng.sample(range(2, 14), 3), strict=True)]
    run.killed(len(rules))
    run.script(rules=rules, **{"reject_addresses" if named else "reject_unnamed": [reader]})
    sending = run.send()
    refusing = sum(kind in REFUSING for kind in chosen)
    sending.checks.append(lambda books: _only_the_bad(books, {reader}, refusing))


def _rule(run: Run, kind: str, nth: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"when": {"nth": nth}, "do": kind}
    if "stall" in kind or kind == "slow-drip":
        rule["seconds"] = STALL * run.pace
    if kind == "429":
        # A moment that is over already, or one to come.
        rule["reset_in"] = run.rng.choice((0, 1, 2))
    return rule


def _somebody(run: Run) -> str:
    """A reader who is to get the issue."""
    rows = run.machine.sql(
        """SELECT lower(s.address) FROM subscriptions n JOIN subscribers s ON s.id = n.subscriber_id
           WHERE n.newsletter_id = %s AND n.state = 'active'
             AND NOT EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.lifted_at IS NULL)
           ORDER BY n.id""",
        run.newsletter,
    )
    address: str = run.rng.choice(rows)[0]
    return address


def _only_the_bad(books: Books, bad: set[str], refusing: int) -> Iterator[str]:
    """The bad address was refused, and nobody beside it: unless a scripted refusal fell, while the bad one was being looked
    for, on a request for one reader alone, which is as final an answer as there is."""
    if books.state != "sent":
        return
    failed = {address for address, fate in books.fates.items() if fate.failed}
    beside = failed - bad
    taken = {
        fate.batch
        for fate in books.fates.values()
        if fate.state == "accepted" and not fate.failed and not fate.excluded
    }
    if bad - failed or len(beside) > refusing or any(books.fates[address].batch in taken for address in beside):
        yield f"I2: {len(failed)} readers were refused, {len(bad)} are bad, {refusing} answers refused whatever they were asked"
