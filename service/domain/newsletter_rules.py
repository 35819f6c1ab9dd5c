"""What the settings of a newsletter may be. Each rule gives back the tidied value or raises ValueError with a sentence that
says what to write instead."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.domain.addresses import AddressError, normalise

TRACKING_POLICIES = ("agreed", "not-objected", "none")
MOST_SEEDS = 10
MOST_FIELDS = 10
LONGEST = {
    "name": 100,
    "description": 500,
    "postal_address": 500,
    "welcome": 2000,
    "wording": 2000,
    "subject_prefix": 20,
}

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LOOPBACK = ("localhost", "127.0.0.1")
_NOT_ASKED = ("email", "address", "tracking", "export", "newsletter", "leave_url", "form")
"""Names that a form uses itself."""


def one_line(what: str, value: str, *, empty: bool = False) -> str:
    """A text without line breaks, of bounded length."""
    if "\n" in value.strip():
        raise ValueError(f"The {what} has a line break; write it in one line.")
    return text(what, value, empty=empty)


def text(what: str, value: str, *, empty: bool = False) -> str:
    """A text of bounded length without control characters."""
    tidied = value.replace("\r\n", "\n").strip()
    longest = LONGEST.get(what.replace(" ", "_"), 200)
    if _CONTROL.search(tidied):
        raise ValueError(f"The {what} has a control character; remove it.")
    if not tidied and not empty:
        raise ValueError(f"The {what} is empty.")
    if len(tidied) > longest:
        raise ValueError(f"The {what} has {len(tidied):,} characters; it may have {longest:,}.")
    return tidied


def colour(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError("The colour must be written like #1f3a5f.")
    return value.lower()


def privacy_url(value: str) -> str | None:
    """A whole https address; empty for none."""
    if not value.strip():
        return None
    parts = _parts(value.strip())
    if (
        parts is None
        or parts.scheme != "https"
        or not parts.hostname
        or parts.username
        or re.search(r"\s", value.strip())
    ):
        raise ValueError(
            f"The privacy address {value.strip()!r} must be a whole one, such as https://firm.example/privacy."
        )
    return value.strip()


def origin(value: str) -> str:
    """A site as browsers name it: scheme, host and port. Only https, but for trials on this machine."""
    tidied = value.strip().rstrip("/").lower()
    parts = _parts(tidied)
    there = parts is not None and parts.hostname and tidied == f"{parts.scheme}://{parts.netloc}" and "@" not in tidied
    if parts is None or not there or not re.fullmatch(r"[a-z0-9.:-]+", parts.netloc):
        raise ValueError(f"The origin {value!r} must be a site without a path, such as https://www.firm.example.")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"The origin {value!r} must begin with https://.")
    return tidied


def time_zone(value: str) -> str:
    try:
        return ZoneInfo(value.strip()).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"There is no time zone {value!r}; write it like Europe/Berlin, Asia/Shanghai or UTC."
        ) from None


def reply_to(value: str) -> str | None:
    """An address; empty for none."""
    try:
        return normalise(value).as_typed_clean if value.strip() else None
    except AddressError as error:
        raise ValueError(f"The reply-to address: {error}") from None


def sender_address(value: str) -> str:
    """An address of the newsletter's own, to which its domain's records must agree."""
    try:
        return normalise(value).as_typed_clean
    except AddressError as error:
        raise ValueError(f"The sender address: {error}") from None


def sender_name(value: str) -> str:
    """SendGrid documents that the name of a sender is not sent as it is when it has other letters than ASCII's; and older pages
    that it must not hold ; or , either."""
    tidied = one_line("sender name", value)
    if not tidied.isascii():
        wrong = next(letter for letter in tidied if not letter.isascii())
        raise ValueError(
            f"The sender name has “{wrong}”, which SendGrid does not send as it is; write it with the letters of English, and the newsletter's name in its own."
        )
    if found := next((mark for mark in ";,<>" if mark in tidied), ""):
        raise ValueError(f"The sender name has “{found}”, which a mail's head cannot hold; leave it out.")
    return tidied


def between(what: str, least: int, most: int) -> Callable[[Any], int]:
    """A whole number within bounds."""

    def checked(value: Any) -> int:
        text_of = str(value).replace(",", "").strip()
        if not (text_of.isascii() and text_of.isdecimal()) or not least <= int(text_of) <= most:
            raise ValueError(f"The {what} must be a number from {least:,} to {most:,}.")
        return int(text_of)

    return checked


def maximum_audience(value: Any) -> int | None:
    """The most readers that an issue may be meant for; empty for no bound."""
    return None if value in (None, "") else between("largest audience", 1, 1_000_000_000)(value)


def seeds(written: list[str]) -> list[str]:
    """Colleagues' addresses, each once."""
    found = []
    for one in written:
        try:
            found.append(normalise(one).as_typed_clean)
        except AddressError as error:
            raise ValueError(f"The seed {one}: {error}") from None
    if len(found) > MOST_SEEDS:
        raise ValueError(f"{MOST_SEEDS} seeds are the most; these are {len(found)}.")
    return list({one.lower(): one for one in found}.values())


def tracking_policy(value: str) -> str:
    if value not in TRACKING_POLICIES:
        raise ValueError(f"The tracking policy must be one of {', '.join(TRACKING_POLICIES)}.")
    return value


def signup_field(written: str) -> dict[str, Any]:
    """`name:Label:required`; the label and the last word may be left out. Without a label, what we know by that name says it
    in each reader's language."""
    name, *rest = (part.strip() for part in written.split(":"))
    required = bool(rest) and rest[-1].lower() == "required"
    label = ":".join(rest[:-1] if required else rest).strip()
    if not _FIELD.fullmatch(name) or name in _NOT_ASKED or name.startswith("own_"):
        raise ValueError(
            f"The field {written!r}: {name!r} cannot be its name. Write it like organisation:Organisation:required, the name in small letters."
        )
    return {"name": name, "label": one_line("label", label, empty=True), "required": required}


def signup_fields(written: list[str]) -> list[dict[str, Any]]:
    """The fields in their order, each once."""
    fields = [signup_field(one) for one in written]
    names = [field["name"] for field in fields]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"The field {twice[0]!r} is given twice; keep one.")
    if len(fields) > MOST_FIELDS:
        raise ValueError(f"A form may ask for {MOST_FIELDS} fields, these are {len(fields)}; each one costs readers.")
    return fields


RULES: Mapping[str, Callable[[Any], Any]] = {
    "name": lambda value: one_line("name", value),
    "description": lambda value: one_line("description", value, empty=True),
    "postal_address": lambda value: text("postal address", value),
    "privacy_url": privacy_url,
    "reply_to": reply_to,
    "sender_name": sender_name,
    "sender_address": sender_address,
    "subject_prefix": lambda value: one_line("subject prefix", value, empty=True),
    "undo_seconds": between("time to take a sending back", 10, 60),
    "typed_above": between("number of readers above which it is typed", 0, 1_000_000_000),
    "maximum_audience": maximum_audience,
    "needs_approval": bool,
    "seeds": seeds,
    "brand_colour": colour,
    "time_zone": time_zone,
    "tracking_policy": tracking_policy,
    "signup_fields": signup_fields,
    "allowed_origins": lambda values: sorted({origin(value) for value in values}),
    "welcome": lambda value: None if value is None else text("welcome", value, empty=True),
    "accepts_signups": bool,
    "has_archive": bool,
    "needs_export_consent": bool,
}
"""Every setting that can be changed later, and what it may be."""


def _parts(value: str) -> Any:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return parts
