"""The script: which requests to mail/send go wrong, and how. Lives in memory only, so a restart behaves well again.

Rules are asked in their order; the first that applies decides. Unknown words are refused by name.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from service.sandbox import behaviour
from service.sandbox.behaviour import BadScript, Behaviour, Lookups
from service.sandbox.personalizations import SUBSTITUTION_BYTES, SubstitutionLimit

BEFORE = (
    "429", "429-bare", "500", "502-html", "503", "stall", "drop", "garbage", "redirect", "401", "401-credits", "403",
    "413", "400-unnamed", "400-named",
)  # fmt: skip
AFTER = ("500-after-accept", "stall-after-accept", "drop-after-accept", "garbage-202", "slow-drip")
"""These keep the request and make its events, then spoil the answer."""
ACTIONS = BEFORE + AFTER
_RULE_WORDS = ("when", "do", "times", "reset_in", "seconds")
_WHEN_WORDS = ("nth", "every", "probability", "seed", "address", "remaining", "always")
_WORDS = (
    "rules",
    "latency_ms",
    "substitution_limit",
    "events",
    "reject_addresses",
    "reject_unnamed",
    "lookups",
    *behaviour.LISTS,
)


@dataclass
class Rule:
    """`nth`: that one request since the rule was set. `every`: each n-th. `address`: requests with that recipient.

    `remaining`: an allowance: so many requests pass, then it applies for `reset_in` seconds, then the allowance is
    renewed. `times` ends any rule after it has fired so often.
    """

    when: dict[str, Any]
    do: str
    times: int | None
    reset_in: float
    seconds: float
    fired: int = 0
    seen: int = 0
    spent_at: float | None = None
    chance: random.Random = field(default_factory=random.Random)

    def applies(self, addresses: list[str]) -> bool:
        self.seen += 1
        if self.times is not None and self.fired >= self.times:
            return False
        return all(getattr(self, f"_{word}")(value, addresses) for word, value in self.when.items() if word != "seed")

    def _nth(self, value: int, _addresses: list[str]) -> bool:
        return self.seen == value

    def _every(self, value: int, _addresses: list[str]) -> bool:
        return self.seen % value == 0

    def _always(self, value: bool, _addresses: list[str]) -> bool:
        return value

    def _probability(self, value: float, _addresses: list[str]) -> bool:
        return self.chance.random() < value

    def _address(self, value: str, addresses: list[str]) -> bool:
        return value.lower() in addresses

    def _remaining(self, value: int, _addresses: list[str]) -> bool:
        if self.spent_at is not None and time.monotonic() >= self.spent_at + self.reset_in:
            self.seen, self.spent_at = 1, None
        if self.seen <= value:
            return False
        self.spent_at = self.spent_at or time.monotonic()
        return True

    def shown(self) -> dict[str, Any]:
        return {
            "when": self.when, "do": self.do, "times": self.times, "reset_in": self.reset_in, "seconds": self.seconds,
            "fired": self.fired, "seen": self.seen,
        }  # fmt: skip


class Script:
    """Thread-safe. Words given replace what was set before; words left out stay as they are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self.rules: list[Rule] = []
            self.latency_ms = 0
            self.substitution_limit: SubstitutionLimit = "personalization"
            self.reject_addresses: frozenset[str] = frozenset()
            self.reject_unnamed: frozenset[str] = frozenset()
            self.behaviour = Behaviour()
            self.lookups = Lookups()
            self._looked: list[float] = []

    def change(self, words: Any) -> None:
        """Takes a whole script or nothing: `BadScript` leaves everything as it was."""
        if not isinstance(words, dict):
            raise BadScript("a script is a JSON object")
        unknown = [word for word in words if word not in _WORDS]
        if unknown:
            raise BadScript(f"unknown words: {', '.join(unknown)}; known are {', '.join(_WORDS)}")
        rules = [_rule(one) for one in _array(words, "rules")]
        latency = _number(words, "latency_ms", 0)
        limit = words.get("substitution_limit", self.substitution_limit)
        if limit not in SUBSTITUTION_BYTES:
            raise BadScript(f"substitution_limit must be one of {', '.join(SUBSTITUTION_BYTES)}")
        if not isinstance(words.get("events", {}), dict):
            raise BadScript("events must be an object")
        lists = {word: words[word] for word in behaviour.LISTS if word in words}
        rejected = {
            word: frozenset(behaviour.addresses(word, words[word]))
            for word in ("reject_addresses", "reject_unnamed")
            if word in words
        }
        lookups = self.lookups.changed(words.get("lookups", {}))
        with self._lock:
            self.lookups = lookups
            self.behaviour = self.behaviour.changed({**words.get("events", {}), **lists})
            self.rules = rules if "rules" in words else self.rules
            self.latency_ms = int(latency) if "latency_ms" in words else self.latency_ms
            self.substitution_limit = limit
            self.reject_addresses = rejected.get("reject_addresses", self.reject_addresses)
            self.reject_unnamed = rejected.get("reject_unnamed", self.reject_unnamed)

    def decide(self, addresses: Callable[[], list[str]]) -> Rule | None:
        """The rule for the next request, counted as fired. Every rule sees every request."""
        with self._lock:
            if not self.rules:
                return None
            present = addresses()
            chosen = None
            for rule in self.rules:
                if rule.applies(present) and chosen is None:
                    rule.fired += 1
                    chosen = rule
            return chosen

    def may_look(self) -> bool:
        """Whether one more look at the activity is within what SendGrid lets through a minute; counted if it is."""
        now = time.monotonic()
        with self._lock:
            self._looked = [at for at in self._looked if at > now - 60]
            if len(self._looked) >= self.lookups.a_minute:
                return False
            self._looked.append(now)
            return True

    def shown(self) -> dict[str, Any]:
        with self._lock:
            return {
                "rules": [rule.shown() for rule in self.rules],
                "latency_ms": self.latency_ms,
                "substitution_limit": self.substitution_limit,
                "reject_addresses": sorted(self.reject_addresses),
                "reject_unnamed": sorted(self.reject_unnamed),
                "events": {word: getattr(self.behaviour, word) for word in behaviour.WORDS},
                "lookups": asdict(self.lookups),
                "note": "kept in memory only: a restart forgets every rule",
            }


def _rule(words: Any) -> Rule:
    if not isinstance(words, dict):
        raise BadScript("each rule is a JSON object")
    unknown = [word for word in words if word not in _RULE_WORDS]
    if unknown:
        raise BadScript(f"unknown words in a rule: {', '.join(unknown)}; known are {', '.join(_RULE_WORDS)}")
    if words.get("do") not in ACTIONS:
        raise BadScript(f"unknown do: {words.get('do')}; known are {', '.join(ACTIONS)}")
    times = words.get("times")
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
        raise BadScript("times must be a whole number, 1 or more")
    when = _when(words.get("when", {"always": True}))
    chance = random.Random(when.get("seed"))  # noqa: S311 (repeatable, not secret)
    return Rule(when, words["do"], times, _number(words, "reset_in", 1), _number(words, "seconds", 30), chance=chance)


def _when(words: Any) -> dict[str, Any]:
    if not isinstance(words, dict) or not words:
        raise BadScript(f"when must be an object with one of {', '.join(_WHEN_WORDS)}")
    unknown = [word for word in words if word not in _WHEN_WORDS]
    if unknown:
        raise BadScript(f"unknown words in when: {', '.join(unknown)}; known are {', '.join(_WHEN_WORDS)}")
    for word, least in (("nth", 1), ("every", 1), ("remaining", 0)):
        value = words.get(word, least)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise BadScript(f"when.{word} must be a whole number, {least} or more")
    chance = words.get("probability", 0)
    if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 <= chance <= 1:
        raise BadScript("when.probability must be a share between 0 and 1")
    if not isinstance(words.get("address", ""), str):
        raise BadScript("when.address must be an address")
    if not isinstance(words.get("always", True), bool) or not isinstance(words.get("seed", 0), int):
        raise BadScript("when.always must be true or false, when.seed a whole number")
    return words


def _array(words: dict[str, Any], word: str) -> list[Any]:
    value = words.get(word, [])
    if not isinstance(value, list):
        raise BadScript(f"{word} must be an array")
    return value


def _number(words: dict[str, Any], word: str, default: float) -> float:
    value = words.get(word, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 600_000:
        raise BadScript(f"{word} must be a number, 0 or more")
    return float(value)
