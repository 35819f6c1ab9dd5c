"""SendGrid's rules for `personalizations`: recipients, duplicates, substitutions, custom_args, headers, times.

Both readings of the limit on substitutions can be enforced, because SendGrid's pages contradict each other.
"""

from typing import Any, Literal

from service.sandbox import checks
from service.sandbox.answers import NO_VALID_TO, Error, error

SubstitutionLimit = Literal["personalization", "request"]

MOST_PERSONALIZATIONS = 1000
MOST_RECIPIENTS = 1000
MOST_SUBSTITUTIONS = 150
SUBSTITUTION_BYTES: dict[SubstitutionLimit, int] = {"personalization": 10_000, "request": 50_000}

_KNOWN = frozenset(
    (
        "from", "to", "cc", "bcc", "subject", "headers", "substitutions", "dynamic_template_data", "custom_args",
        "send_at",
    )
)  # fmt: skip
_TOPIC = "message.personalizations"


def check(body: dict[str, Any], *, limit: SubstitutionLimit, now: float) -> list[Error]:
    """Every fault of the array, in its order."""
    entries = body.get("personalizations")
    if not isinstance(entries, list) or not entries:
        text = "The personalizations field is required and must have at least one personalization."
        return [error(text, "personalizations", _TOPIC)]
    found: list[Error] = []
    if len(entries) > MOST_PERSONALIZATIONS:
        text = (
            f"The personalization block is limited to {MOST_PERSONALIZATIONS} personalizations per API request. You "
            f"have provided {len(entries)} personalizations. Please consider splitting this into multiple requests "
            "and resending your request."
        )
        found.append(error(text, "personalizations", _TOPIC))
    root_args = body.get("custom_args")
    checker = _Checker(limit, now, root_args if isinstance(root_args, dict) else {})
    for index, entry in enumerate(entries):
        checker.entry(index, entry)
    return found + checker.totals()


class _Checker:
    """Walks the array once, keeping what only shows across it: repeated addresses and totals."""

    def __init__(self, limit: SubstitutionLimit, now: float, root_args: dict[str, Any]) -> None:
        self.limit, self.now = limit, now
        self.root_args, self.root_bytes = root_args, checks.size_of(root_args)
        self.errors: list[Error] = []
        self.seen: set[str] = set()
        self.recipients = 0
        self.substitution_bytes = 0

    def entry(self, index: int, entry: Any) -> None:
        where = f"personalizations.{index}"
        if not isinstance(entry, dict):
            self.errors.append(error("Each personalization must be an object.", where, _TOPIC))
            return
        self._recipients(entry, where)
        if not _KNOWN.issuperset(entry):
            self.errors += checks.unknown_keys(entry, _KNOWN, where)
        if "substitutions" in entry:
            self._substitutions(entry["substitutions"], f"{where}.substitutions")
        if "custom_args" in entry:
            self._custom_args(entry["custom_args"], f"{where}.custom_args")
        if "headers" in entry:
            self.errors += checks.check_headers(entry["headers"], f"{where}.headers", _TOPIC + ".headers")
        if "subject" in entry and not (isinstance(entry["subject"], str) and entry["subject"]):
            text = "The subject must be a string at least one character in length."
            self.errors.append(error(text, f"{where}.subject", _TOPIC + ".subject"))
        if "send_at" in entry:
            topic = _TOPIC + ".send_at"
            self.errors += checks.check_send_at(entry["send_at"], f"{where}.send_at", topic, now=self.now)
        if "from" in entry:
            self.errors += checks.check_person(entry["from"], f"{where}.from", "message.from")
        if not isinstance(entry.get("dynamic_template_data", {}), dict):
            text = "The dynamic_template_data parameter must be an object."
            self.errors.append(error(text, f"{where}.dynamic_template_data", _TOPIC))

    def _recipients(self, entry: dict[str, Any], where: str) -> None:
        to = entry.get("to")
        if not isinstance(to, list) or not to:
            self.errors.append(error(NO_VALID_TO, f"{where}.to", _TOPIC + ".to"))
        for kind in ("to", "cc", "bcc"):
            people = entry.get(kind)
            if isinstance(people, list):
                self.recipients += len(people)
                for position, person in enumerate(people):
                    self._recipient(person, f"{where}.{kind}", position, where)
            elif people is not None and kind != "to":
                self.errors.append(error(f"The {kind} parameter must be an array.", f"{where}.{kind}", _TOPIC))

    def _recipient(self, person: Any, field: str, position: int, where: str) -> None:
        faults = checks.check_person(person, f"{field}.{position}", _TOPIC + "." + field.rsplit(".", 1)[-1])
        if faults:
            self.errors += faults
            return
        address = person["email"].lower()
        if address in self.seen:
            text = (
                "Each email address in the personalization block should be unique between to, cc, and bcc. We found "
                f"the first duplicate instance of [{person['email']}] in the {field} field."
            )
            self.errors.append(error(text, where, _TOPIC))
        self.seen.add(address)

    def _substitutions(self, substitutions: Any, field: str) -> None:
        topic = _TOPIC + ".substitutions"
        self.errors += checks.check_strings(substitutions, field, topic)
        if not isinstance(substitutions, dict):
            return
        size = checks.size_of(substitutions)
        self.substitution_bytes += size
        if len(substitutions) > MOST_SUBSTITUTIONS:
            text = f"Substitutions are limited to {MOST_SUBSTITUTIONS} items per personalization."
            self.errors.append(error(text, field, topic))
        if self.limit == "personalization" and size > SUBSTITUTION_BYTES["personalization"]:
            text = (
                f"Substitutions may not exceed {SUBSTITUTION_BYTES['personalization']} bytes per personalization. "
                f"You have provided {size} bytes."
            )
            self.errors.append(error(text, field, topic))

    def _custom_args(self, custom_args: Any, field: str) -> None:
        topic = _TOPIC + ".custom_args"
        self.errors += checks.check_strings(custom_args, field, topic, may_be_empty=False)
        if not isinstance(custom_args, dict):
            return
        size = checks.size_of(custom_args) + self.root_bytes
        if size > checks.CUSTOM_ARGS_BYTES and checks.size_of(self.root_args | custom_args) > checks.CUSTOM_ARGS_BYTES:
            text = f"The custom_args of a personalization may not exceed {checks.CUSTOM_ARGS_BYTES} bytes."
            self.errors.append(error(text, field, topic))

    def totals(self) -> list[Error]:
        found = self.errors
        if self.recipients > MOST_RECIPIENTS:
            text = f"There is a limit of {MOST_RECIPIENTS} total recipients (to + cc + bcc) per request."
            found.append(error(text, "personalizations", _TOPIC))
        if self.limit == "request" and self.substitution_bytes > SUBSTITUTION_BYTES["request"]:
            text = (
                f"Substitutions may not exceed {SUBSTITUTION_BYTES['request']} bytes per request. You have provided "
                f"{self.substitution_bytes} bytes."
            )
            found.append(error(text, "personalizations.0.substitutions", _TOPIC + ".substitutions"))
        return found
