"""What stands hidden in every sign-up form: that we made it, which newsletters it showed in which language, and when.
Refuses a ticket of anybody else's, and one of a page that has been open for a day."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from service.operations.limits import FORM_LASTS
from service.tickets import seal, seal_for_good, unseal, unseal_for_good

Kind = Literal["page", "embed", "api"]
_PURPOSE = "signup-form"


@dataclass(frozen=True)
class Ticket:
    """`at`: when the form was shown, in seconds since 1970; None where speed says nothing, as for a form that is shown again
    or embedded."""

    kind: Kind
    language: str
    slugs: list[str]
    at: float | None = None

    @classmethod
    def new(cls, kind: Kind, language: str, slugs: Sequence[str]) -> "Ticket":
        return cls(kind, language, list(slugs), round(time.time(), 1) if kind == "page" else None)

    @classmethod
    def again(cls, language: str, slugs: Sequence[str]) -> "Ticket":
        """For a form that comes back with what was typed: a correction may take less than a second. Wherever the first one
        stood, this one stands on our page."""
        return cls("page", language, list(slugs))

    def sealed(self) -> str:
        value = [self.kind, self.language, self.slugs, self.at]
        return seal_for_good(_PURPOSE, value) if self.kind == "embed" else seal(_PURPOSE, value)


def read_ticket(text: str) -> Ticket | None:
    """The ticket, if it is ours and not too old. An embedded form's is good for ever: it stands in others' pages."""
    value: Any = unseal(_PURPOSE, text, FORM_LASTS) or unseal_for_good(_PURPOSE, text)
    return Ticket(*value) if value else None
