"""What a call of the team's API is, and the fields that several have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.web.api.given import Given

PREFIX = "/api/v1"
MOST = 200
"""Rows of one page."""


@dataclass(frozen=True)
class Field:
    """`kind`: text, number, list, object or yes."""

    kind: str
    told: str
    is_needed: bool = False


@dataclass(frozen=True)
class Call:
    """`run` is given what was sent, the key's actor, and the numbers in the path."""

    method: str
    path: str
    name: str
    summary: str
    run: Callable[..., Any]
    fields: Mapping[str, Field] = field(default_factory=dict)
    status: int = 200
    takes_file: bool = False


BEFORE = Field("number", "The id of the last one seen: the page after it.")
LIMIT = Field("number", f"How many, at most {MOST}.")
REASON = Field("text", "Why; it is kept.", True)
PAGE = {"before": BEFORE, "limit": LIMIT}


def page_size(given: Given) -> int:
    """Rows of one page, as asked for."""
    return max(1, min(given.number("limit") or 50, MOST))
