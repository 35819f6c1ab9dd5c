"""Errors named for the decision they force on whoever catches them."""


class BroadsheetError(Exception):
    """Anything we raise on purpose; its text is one sentence for a person."""


class Invalid(BroadsheetError):
    """What was given cannot be accepted; `problems` says, one line each, what to change."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class NotFound(BroadsheetError):
    """There is no such thing."""


class Conflict(BroadsheetError):
    """The thing is there but in a state that does not allow this."""


class RetryLater(BroadsheetError):
    """Nothing is wrong with the request; the outside is not ready for it."""


class Forbidden(BroadsheetError):
    """Whoever asks may not have this done."""
