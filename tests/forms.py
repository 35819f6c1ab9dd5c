"""What has a long form has a short one for every run."""

import os

import pytest

IS_LONG = os.environ.get("BROADSHEET_FAULTS") == "long"


def some(examples: int) -> int:
    """As many as that in the long form, a third of them in the short one, and never fewer than twenty where there are so many."""
    return examples if IS_LONG else max(examples // 3, min(examples, 20))


LOOKS = [
    (320, "dark"),
    (1280, "light"),
    pytest.param(320, "light", marks=pytest.mark.long),
    pytest.param(1280, "dark", marks=pytest.mark.long),
]
"""Width and colour scheme: both of each in every run, all four together in the long form."""
