"""How the sandbox's readers and mail servers behave: rates, and addresses named for a fate. Refuses unknown words.

Fates are decided by a hash of seed and address, so that a run repeats; an address on a list always meets its fate.
"""

import hashlib
import struct
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import orjson

SUPPRESSION_REASONS = {
    "bounces": "Bounced Address",
    "spam_reports": "Spam Reporting Address",
    "invalid_emails": "Invalid",
    "unsubscribes": "Unsubscribed Address",
}


class BadScript(ValueError):
    """The script asks for something the sandbox does not know; the text says what and what it knows."""


@dataclass(frozen=True)
class Behaviour:
    """Shares are between 0 and 1. `delay_ms` lies between acceptance, processing, delivery and what readers do."""

    enabled: bool = True
    seed: int = 1
    bounce: float = 0.01
    blocked: float = 0.005
    deferred: float = 0.01
    open: float = 0.35
    machine_open: float = 0.2
    click: float = 0.1
    complaint: float = 0.001
    missing_processed: float = 0.0
    duplicate: float = 0.0
    shuffle: bool = False
    delay_ms: int = 200
    bounce_addresses: tuple[str, ...] = ()
    blocked_addresses: tuple[str, ...] = ()
    deferred_addresses: tuple[str, ...] = ()
    open_addresses: tuple[str, ...] = ()
    machine_open_addresses: tuple[str, ...] = ()
    click_addresses: tuple[str, ...] = ()
    complaint_addresses: tuple[str, ...] = ()
    delivered_addresses: tuple[str, ...] = ()
    suppressions: dict[str, str] = field(default_factory=dict)

    def changed(self, words: dict[str, Any]) -> "Behaviour":
        """A copy with the given words; raises `BadScript` naming the first it cannot use."""
        return replace(
            self, **{word: _checked(word, value, getattr(self, word, None)) for word, value in words.items()}
        )

    def as_json(self) -> bytes:
        return orjson.dumps(asdict(self))


WORDS = tuple(one.name for one in fields(Behaviour))
LISTS = (*(word for word in WORDS if word.endswith("_addresses")), "suppressions")
_NAMED = {word: word.removesuffix("_addresses") for word in WORDS if word.endswith("_addresses")}


def _checked(word: str, value: Any, old: Any) -> Any:
    if word not in WORDS:
        raise BadScript(f"unknown word in events: {word}; known are {', '.join(WORDS)}")
    if word == "suppressions":
        return _suppressions(value)
    if word.endswith("_addresses"):
        return addresses(word, value)
    if isinstance(old, bool):
        if isinstance(value, bool):
            return value
        raise BadScript(f"events.{word} must be true or false")
    if isinstance(old, int):
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise BadScript(f"events.{word} must be a whole number, 0 or more")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadScript(f"events.{word} must be a share between 0 and 1")
    return float(value)


def addresses(word: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise BadScript(f"{word} must be an array of addresses")
    return tuple(one.lower() for one in value)


def _suppressions(value: Any) -> dict[str, str]:
    """Accepts an array (taken as unsubscribes) or an object from address to the kind of suppression."""
    if isinstance(value, list | tuple):
        return dict.fromkeys(addresses("suppressions", value), "unsubscribes")
    if not isinstance(value, dict) or not all(kind in SUPPRESSION_REASONS for kind in value.values()):
        kinds = ", ".join(SUPPRESSION_REASONS)
        raise BadScript(f"suppressions must be an array of addresses or an object of address and one of: {kinds}")
    return {address.lower(): kind for address, kind in value.items()}


def from_json(stored: str | bytes) -> Behaviour:
    return Behaviour().changed(orjson.loads(stored))


class Fate:
    """What happens to addresses under one behaviour."""

    _UNITS = struct.Struct(">8I")
    _ORDER = ("bounce", "deferred", "open", "machine_open", "click", "complaint", "missing_processed", "duplicate")

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._shares = [int(getattr(behaviour, name) * 2**32) for name in self._ORDER]
        self._blocked = int((behaviour.bounce + behaviour.blocked) * 2**32)
        self._listed: dict[str, set[str]] = {}
        for word, name in _NAMED.items():
            for address in getattr(behaviour, word):
                self._listed.setdefault(address, set()).add(name)

    def of(self, address: str) -> set[str]:
        """Names of the events in store for a lower-cased address; at most one of bounce, blocked."""
        digest = hashlib.blake2b(f"{self.behaviour.seed}:{address}".encode(), digest_size=32).digest()
        units = self._UNITS.unpack(digest)
        found = {name for name, unit, share in zip(self._ORDER, units, self._shares, strict=True) if unit < share}
        if "bounce" not in found and units[0] < self._blocked:
            found.add("blocked")
        listed = self._listed.get(address)
        if listed:
            if listed & {"bounce", "blocked", "delivered"}:
                found -= {"bounce", "blocked"}
            elif listed & {"deferred", "open", "machine_open", "click", "complaint"}:
                found -= {"bounce", "blocked"}  # who is named as a reader must get the mail
            found |= listed
        return found


_ANSWERS = (200, 401, 403, 404, 429, 500, 503)
_SHAPES = ("right", "html", "list", "strangers", "nothing-inside")


@dataclass(frozen=True)
class Lookups:
    """`activity`: whether the account has bought Email Activity, which most have not. `status` other than 200 is every answer;
    `shape` spoils a good one. `a_minute`: more requests to the activity within a minute are 429, as at SendGrid."""

    activity: bool = False
    latency_ms: int = 0
    status: int = 200
    shape: str = "right"
    a_minute: int = 6

    def changed(self, words: Any) -> "Lookups":
        """A copy with the given words; raises `BadScript` naming the first it cannot use."""
        known = asdict(self)
        if not isinstance(words, dict) or not set(words) <= set(known):
            raise BadScript(f"lookups must be an object; known words are {', '.join(known)}")
        for word, value in words.items():
            if type(value) is not type(known[word]) or (isinstance(value, int) and value < 0):
                raise BadScript(f"lookups.{word} must be like {known[word]!r}")
        made = replace(self, **words)
        if made.status not in _ANSWERS or made.shape not in _SHAPES:
            raise BadScript(f"lookups.status is one of {_ANSWERS}, lookups.shape one of {', '.join(_SHAPES)}")
        return made
