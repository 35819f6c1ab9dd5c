"""The rule of the chain, by itself: what it covers, and what it lets pass."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.consent import Part, Record, Sum, check_chain, erased_parts, hash_of, hash_of_part

PART = Part(b"s" * 32, '{"form": "page"}')


def chain(*keys: bytes) -> list[Record]:
    """A reader's acts, rightly chained; a reader begins where the key changes."""
    found: list[Record] = []
    for n, key in enumerate(keys, start=1):
        last = found[-1] if found and found[-1].email_key == key else None
        record = Record(
            record_id=n,
            email_key=key,
            number=last.number + 1 if last else 1,
            newsletter_id=1,
            purpose="newsletter",
            action="given",
            microseconds=1_700_000_000_123_456 + n,
            method="form",
            wording_sha256=b"w" * 32,
            import_id=None,
            act_hash=hash_of_part(PART),
            origin_hash=None,
            previous=last.hash if last else None,
            hash=b"",
            act=PART,
        )
        found.append(replace(record, hash=hash_of(record)))
    return found


GOOD = chain(b"a", b"a", b"a", b"b", b"b")


def whats(records: list[Record]) -> list[tuple[int | None, str]]:
    return [(finding.record_id, finding.what) for finding in check_chain(records)]


def test_a_chain_that_nobody_touched_has_no_findings() -> None:
    assert whats(GOOD) == []
    assert whats([]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"email_key": b"aa"},
        {"number": 4},
        {"newsletter_id": None},
        {"newsletter_id": 2},
        {"purpose": "tracking"},
        {"action": "confirmed"},
        {"microseconds": 1},
        {"microseconds": None},
        {"method": "import"},
        {"wording_sha256": None},
        {"import_id": 1},
        {"act_hash": None},
        {"origin_hash": b"o"},
        {"previous": b"p"},
        {"hash": b"h"},
        {"details": '{"a": 1}'},
        {"act": Part(b"s" * 32, '{"form": "paga"}')},
        {"act": Part(b"t" * 32, PART.details)},
        {"origin": PART},
        {"wording_is_known": False},
    ],
    ids=str,
)
def test_no_column_can_be_changed_unseen(change: dict[str, object]) -> None:
    assert whats([GOOD[0], replace(GOOD[1], **change), *GOOD[2:]])  # type: ignore[arg-type]


def test_a_change_with_its_hash_made_to_match_breaks_the_next_link() -> None:
    forged = replace(GOOD[1], action="withdrawn")
    forged = replace(forged, hash=hash_of(forged))
    assert whats([GOOD[0], forged, *GOOD[2:]]) == [(3, "does not follow from the act before it")]


@pytest.mark.parametrize("gone", [0, 1])
def test_an_act_that_is_gone_from_the_middle_or_the_start_is_missed(gone: int) -> None:
    assert whats([record for n, record in enumerate(GOOD) if n != gone])


def test_a_swapped_pair_is_found() -> None:
    assert whats([GOOD[1], GOOD[0], *GOOD[2:]])


def test_details_that_were_erased_are_no_fault_and_are_counted() -> None:
    erased = [replace(record, act=None) for record in GOOD]
    assert whats(erased) == []
    assert [erased_parts(record) for record in erased] == [1] * 5
    assert erased_parts(replace(GOOD[0], act_hash=None, act=None)) == 0


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.binary(min_size=32, max_size=32)), max_size=5))
def test_a_sum_depends_on_every_id_and_hash_and_their_order(rows: list[tuple[int, bytes]]) -> None:
    total = Sum()
    for record_id, record_hash in rows:
        total.add(record_id, record_hash)
    assert total.records == len(rows)
    text = b"".join(record_id.to_bytes(8, "big", signed=True) + record_hash for record_id, record_hash in rows)
    assert total.hex() == hashlib.sha256(text).hexdigest()
