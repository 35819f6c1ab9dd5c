"""Every target with some hundred bytes that grew from its seeds; `python -m tests.fuzz` goes on for as long as one likes."""

import random

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from tests.forms import some
from tests.fuzz.targets import SEEDS, TARGETS


def grown(target: str) -> st.SearchStrategy[bytes]:
    """Any bytes, and seeds of which some pieces were replaced, doubled or left out."""
    pieces = sorted(
        {piece for seed in SEEDS[target] for piece in (seed[:3], seed[3:9], seed[9:])} | {b"\n", b'"', b"{{", b"\0"}
    )
    mixed = st.lists(st.sampled_from(pieces) | st.binary(max_size=4), max_size=12).map(b"".join)

    def changed(seed: bytes, at: int, piece: bytes) -> bytes:
        return seed[: at % (len(seed) + 1)] + piece + seed[(at + len(piece)) % (len(seed) + 1) :]

    return st.one_of(
        st.binary(max_size=200),
        mixed,
        st.builds(changed, st.sampled_from(SEEDS[target]), st.integers(0, 200), st.binary(max_size=6)),
    )


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes_are_taken_or_refused(target: str) -> None:
    for seed in SEEDS[target]:
        TARGETS[target](seed)

    @settings(max_examples=some(300), deadline=None, suppress_health_check=list(HealthCheck))
    @given(grown(target))
    def hold(data: bytes) -> None:
        TARGETS[target](data)

    hold()


@pytest.mark.parametrize("target", TARGETS)
def test_long_bytes_take_no_longer_than_their_length_asks_for(target: str) -> None:
    """A hundred thousand of anything: what is quadratic would run into the time that a test may take."""
    for piece in (*SEEDS[target], b"{{", b'"', b"{%", b"[", b"\\", random.Random(7).randbytes(50)):
        TARGETS[target]((piece * (100_000 // len(piece)))[:100_000])
