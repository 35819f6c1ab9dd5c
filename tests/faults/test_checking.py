"""The checker itself, on books made by hand: it is silent where all is well, and names each broken promise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.lab.faults.checking import Attempt, Books, Copy, Fate, faults

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADA, BEN, CLEO, DAN = (f"{name}@readers.example" for name in ("ada", "ben", "cleo", "dan"))
MEANT = (ADA, BEN, CLEO, DAN)
WELL = Books(
    state="sending",
    candidates=4,
    fates={
        ADA: Fate("1", None, None, 10, "accepted"),
        BEN: Fate("2", None, None, 11, "unknown"),
        CLEO: Fate("3", "left", None, 10, "accepted"),
        DAN: Fate("4", None, None, 12, "pending"),
    },
    attempts={"a": Attempt(10, "accepted", NOON, True), "b": Attempt(11, "unknown", NOON, True)},
    copies=[Copy(ADA, "r1", "a", "1"), Copy(BEN, "r2", "b", "2")],
)


def test_books_that_agree_have_no_fault() -> None:
    assert faults(WELL, MEANT, {BEN: NOON + timedelta(seconds=1)}) == []


@pytest.mark.parametrize(
    ("copy", "invariant"),
    [
        (Copy(ADA, "r1", "a", "1"), "I1: ada"),
        (Copy(ADA, "r3", "a", "1"), "I5: attempt a"),
        (Copy(CLEO, "r1", "a", "3"), "I4: cleo@readers.example has a copy and is recorded as left"),
        (Copy(DAN, "r1", "a", "4"), "I4: dan@readers.example has a copy and is pending"),
        (Copy(DAN, "r1", "a", "9"), "I4: dan@readers.example got the copy of another delivery"),
        (Copy(BEN, "r2", "a", "2"), "I4: ben@readers.example has a copy by an attempt"),
        (Copy("eve@readers.example", "r1", "a", "5"), "I4: eve"),
    ],
)
def test_a_copy_too_many_is_a_fault(copy: Copy, invariant: str) -> None:
    found = faults(replace(WELL, copies=[*WELL.copies, copy]), MEANT)
    assert any(fault.startswith(invariant) for fault in found), found


def test_an_accepted_reader_without_a_copy_is_a_fault() -> None:
    assert faults(replace(WELL, copies=[copy for copy in WELL.copies if copy.address != ADA]), MEANT) == [
        f"I4: {ADA} is accepted and has no copy"
    ]


def test_a_reader_that_nobody_remembers_is_a_fault() -> None:
    fates = {address: fate for address, fate in WELL.fates.items() if address != DAN}
    assert faults(replace(WELL, fates=fates, candidates=3), MEANT) == [f"I2: {DAN} was meant and has no delivery"]
    assert faults(replace(WELL, fates=fates), (ADA, BEN, CLEO)) == ["I2: 4 candidates, 3 deliveries"]


def test_a_reader_in_no_batch_without_a_reason_is_a_fault() -> None:
    fates = {**WELL.fates, DAN: Fate("4", None, None, None, None)}
    assert faults(replace(WELL, fates=fates), MEANT) == [f"I2: {DAN} is in no batch, and nothing says why"]


def test_a_sent_issue_with_something_open_is_a_fault() -> None:
    assert faults(replace(WELL, state="sent"), MEANT) == [
        f"I2: the issue is sent, and {BEN} is unknown",
        f"I2: the issue is sent, and {DAN} is pending",
    ]


def test_a_copy_claimed_after_the_reader_had_left_is_a_fault() -> None:
    left = {ADA: NOON - timedelta(milliseconds=1)}
    assert faults(WELL, MEANT, left) == [f"I3: {ADA} had left before the copy was claimed"]
