"""The small rules that the root of a request and its personalizations share: addresses, headers, maps of strings."""

import re
from functools import lru_cache
from typing import Any

from service.sandbox.answers import Error, error

# SendGrid takes neither non-ASCII local parts nor raw Unicode domains; a domain needs a dot.
_ADDRESS = re.compile(
    r"(?=[^@]{1,64}@.{1,255}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9][A-Za-z0-9-]*\Z"
)
_HEADER_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]+\Z")
RESERVED_HEADERS = frozenset(
    (
        "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
        "to", "from", "subject", "reply-to", "cc", "bcc",
    )
)  # fmt: skip
CUSTOM_ARGS_BYTES = 10_000
_STRINGS = frozenset((str,))
NO_ADDRESS = "Does not contain a valid address."


def is_address(value: object) -> bool:
    return isinstance(value, str) and _ADDRESS.match(value) is not None


def check_person(person: Any, field: str, topic: str) -> list[Error]:
    """The rules for one `{email, name}` object; the error names `<field>.email`."""
    if not isinstance(person, dict) or not is_address(person.get("email")):
        return [error(NO_ADDRESS, f"{field}.email", topic)]
    found = []
    if not isinstance(person.get("name", ""), str):
        found.append(error("The name parameter must be a string.", f"{field}.name", topic))
    if len(person) > 1 + ("name" in person):
        found += unknown_keys(person, frozenset(("email", "name")), field)
    return found


def unknown_keys(mapping: dict[str, Any], known: frozenset[str], field: str | None) -> list[Error]:
    return [
        error(f"The parameter {key} is not supported.", f"{field}.{key}" if field else key)
        for key in mapping
        if key not in known
    ]


def check_headers(headers: Any, field: str, topic: str) -> list[Error]:
    if not isinstance(headers, dict):
        return [error("The headers parameter must be an object of header names and string values.", field, topic)]
    found = []
    for name, value in headers.items():
        fault = _name_fault(name)
        if fault:
            found.append(error(fault, f"{field}.{name}", topic))
        if not isinstance(value, str):
            found.append(error("The header value must be a string.", f"{field}.{name}", topic))
    return found


@lru_cache(maxsize=256)
def _name_fault(name: str) -> str | None:
    if name.lower() in RESERVED_HEADERS:
        return f"The header {name} is reserved and may not be set. Please choose a different name."
    if not _HEADER_NAME.match(name):
        return "Header names must be ASCII characters without spaces or colons."
    return None


def only_strings(mapping: dict[str, Any]) -> bool:
    return _STRINGS.issuperset(map(type, mapping.values()))


def check_strings(mapping: Any, field: str, topic: str, *, may_be_empty: bool = True) -> list[Error]:
    """Every value of an object must be a string, as for `substitutions`, `sections` and `custom_args`."""
    name = field.rsplit(".", 1)[-1]
    if not isinstance(mapping, dict):
        return [error(f"The {name} parameter must be an object of key/value pairs.", field, topic)]
    if not mapping and not may_be_empty:
        return [error(f"The {name} object, when used, must have at least one key/value pair.", field, topic)]
    if only_strings(mapping):
        return []
    return [
        error(f"The {name} values must be strings.", f"{field}.{key}", topic)
        for key, value in mapping.items()
        if not isinstance(value, str)
    ]


def size_of(mapping: dict[str, Any]) -> int:
    """Bytes of the keys and string values together, as UTF-8."""
    values = mapping.values() if only_strings(mapping) else [one for one in mapping.values() if isinstance(one, str)]
    text = "".join(mapping) + "".join(values)
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def check_send_at(value: Any, field: str, topic: str, *, now: float) -> list[Error]:
    if isinstance(value, bool) or not isinstance(value, int):
        return [error("The send_at parameter must be an integer: a UNIX timestamp.", field, topic)]
    if value > now + 72 * 3600:
        return [error("Scheduling more than 72 hours in advance is forbidden.", field, topic)]
    return []
