"""What preflight is told, because it cannot know it by itself: readers, links, the sender's domain, a spam filter's opinion."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

LinkState = Literal["alive", "dead", "unknown"]


@dataclass(frozen=True)
class Missing:
    """A field without a default that some readers have no value for: they get no copy. `sample`: a few of their addresses."""

    field: str
    readers: int
    audience: int
    sample: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What became of asking for a link; `why` says it in words, such as "404 Not Found"."""

    state: LinkState
    why: str


@dataclass(frozen=True)
class Domain:
    """What the DNS says of a domain. None: could not be asked; an empty tuple: there is no such record."""

    name: str
    spf: tuple[str, ...] | None = None
    dkim: tuple[str, ...] | None = None
    dmarc: tuple[str, ...] | None = None
    takes_mail: bool | None = None


@dataclass(frozen=True)
class Spam:
    """What a spam filter says: its points, how many make spam, and what it counted ("MISSING_MID: no Message-Id", 0.5)."""

    points: float
    required: float
    reasons: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Facts:
    """All of it. What is None was not asked; where it could not be, `unasked` says why."""

    missing: tuple[Missing, ...] = ()
    longest: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    links: Mapping[str, Answer] | None = None
    sender: Domain | None = None
    reply_to: Domain | None = None
    spam: Spam | None = None
    unasked: tuple[tuple[str, str], ...] = ()
