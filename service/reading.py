"""Reads settings from the environment, one variable at a time, and collects what is wrong with them."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path

from service.variables import VARIABLES

POSTGRESQL = ("postgresql://", "postgres://", "postgresql+psycopg://")
"""How the address of a PostgreSQL begins."""
EXAMPLES = {variable.name: variable.example for variable in VARIABLES}


class Reader:
    """Reads one variable at a time and collects what is wrong, so that a person can mend it all at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def fault(self, name: str, what: str) -> None:
        self.problems.append(f"{name} {what} Example: {name}={EXAMPLES[name]}")

    def text(self, name: str, default: str = "") -> str:
        value = self.environ.get(name, "").strip()
        if path := self.environ.get(f"{name}_FILE", "").strip():
            if value:
                self.problems.append(f"{name} and {name}_FILE are both set. Keep one of them.")
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                self.problems.append(
                    f"{name}_FILE cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}."
                )
            else:
                if not value:
                    # Taken as not set, it could start the service on embedded servers, sending to nobody.
                    self.problems.append(f"{name}_FILE names an empty file. Write the value into it.")
        if "CHANGE-ME" in value:
            self.fault(name, "still says CHANGE-ME, as the example of all settings does.")
        if any("\ud800" <= character <= "\udfff" for character in value):
            self.fault(name, "is not UTF-8.")
            value = value.encode(errors="replace").decode()
        return value or default

    def number(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name, str(default))
        if text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high:
            return int(text)
        self.fault(name, f"must be a whole number from {low} to {high}.")
        return default

    def address(self, name: str, default: str) -> str:
        """An address of this machine, by number."""
        given = self.text(name, default)
        try:
            return str(ipaddress.ip_address(given))
        except ValueError:
            self.fault(name, "must be an IP address of this machine, without a port.")
            return default

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        text = self.text(name, default).lower()
        if text not in choices:
            self.fault(name, f"must be one of {', '.join(choices)}.")
        return text

    def keys(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip())


def psycopg_url(url: str) -> str:
    """SQLAlchemy's spelling of a PostgreSQL address, with psycopg 3."""
    for prefix in POSTGRESQL[:2]:
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url
