"""What a program sent with a call: read once, by the call's own table of fields. Refuses what is not in the table, so that a
misspelt name is never passed over."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import request

from service.errors import Invalid

if TYPE_CHECKING:
    from service.web.api.call import Call

KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int,),
    "list": (list,),
    "object": (dict,),
    "yes": (bool,),
}
_SAID = {"text": "a text", "number": "a whole number", "list": "a list", "object": "an object", "yes": "true or false"}


@dataclass(frozen=True)
class Given:
    """The fields, by name; what was not sent is None."""

    fields: dict[str, Any]

    @classmethod
    def of(cls, call: "Call") -> "Given":
        """Read the present request. Raises Invalid with every problem."""
        if call.method == "GET":
            sent: Any = dict(request.args)
        elif call.takes_file:
            return cls(dict(request.args))
        else:
            sent = request.get_json(silent=True) if request.get_data(cache=True) else {}
        if not isinstance(sent, dict):
            raise Invalid("Send one JSON object, with the content type application/json.")
        return cls(_checked(call, sent))

    def text(self, name: str) -> str:
        """A text; empty where there is none."""
        return str(self.fields.get(name) or "")

    def number(self, name: str) -> int | None:
        """A whole number, or None."""
        found = self.fields.get(name)
        return None if found is None else int(found)

    def moment(self, name: str) -> datetime | None:
        """A moment with its zone, such as 2026-12-01T09:00:00+01:00. Raises Invalid."""
        if not (text := self.text(name)):
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = datetime.min  # noqa: DTZ901 - has no zone, which is refused below
        if found.tzinfo is None:
            raise Invalid(f"{name}: write the moment with its zone, such as 2026-12-01T09:00:00+01:00.")
        return found


def _checked(call: "Call", sent: dict[str, Any]) -> dict[str, Any]:
    problems = [f"{name}: there is no such field here." for name in sent if name not in call.fields]
    found: dict[str, Any] = {}
    for name, field in call.fields.items():
        value = sent.get(name)
        if value is None:
            if field.is_needed:
                problems.append(f"{name} is missing.")
            continue
        if (
            call.method == "GET"
            and field.kind == "number"
            and isinstance(value, str)
            and value.isascii()
            and value.isdecimal()
        ):
            value = int(value)
        is_right = isinstance(value, KINDS[field.kind]) and (field.kind == "yes" or not isinstance(value, bool))
        if not is_right or (field.kind == "number" and abs(value) > 2**62):
            problems.append(f"{name} has to be {_SAID[field.kind]}.")
        found[name] = value
    if problems:
        raise Invalid(*problems)
    return found
