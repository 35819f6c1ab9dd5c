"""Structured logs. Addresses, tokens and keys never reach them: a last filter masks what looks like one."""

import logging
import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TextIO, TypeVar

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Bounded, so that a long line without a space costs no minutes.
_ADDRESS = re.compile(r"(?:[^\s@<>\"%]|%(?!40)){1,128}(?:@|%40)[^\s@<>\"'\\,;:)&]{1,255}\.[^\s@<>\"'\\,;:)&]+")
_SECRET = re.compile(
    r"(/(?:u|c|p|m|a|admin/link)/)[\w.-]{20,}|([?&](?:code|state)=)[^\s\"'&\\]+|(SG\.)[\w.-]{10,}|(://[^:/@\s\"]{0,100}:)[^\s\"]{1,200}(?=@)|(Bearer )[^\s\"',\\]+|(password=)[^\s\"'&\\]+"
)


def mask(text: str) -> str:
    """The text with addresses, tokens, keys and passwords replaced."""
    text = _SECRET.sub(lambda found: f"{found[found.lastindex or 0]}[…]", text)
    return _ADDRESS.sub("[address]", text)


def _mask_event(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Mask values before they are quoted: cutting quoted text could take a backslash away from its quotation mark."""
    for key, value in event.items():
        if key != "exc_info" and not key.startswith("_"):
            event[key] = _masked(value)
    return event


def _masked(value: object) -> object:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {_masked(key): _masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [_masked(inner) for inner in value]
    return value


class _MaskingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats records of libraries too, and masks the finished line: tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


P = ParamSpec("P")
R = TypeVar("R")


def named(word: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Every line that is logged within the function names its first argument, a number, by this word; what it binds besides is
    forgotten with it."""

    def decorate(work: Callable[P, R]) -> Callable[P, R]:
        @wraps(work)
        def within(*arguments: P.args, **words: P.kwargs) -> R:
            before = structlog.contextvars.get_contextvars()
            structlog.contextvars.bind_contextvars(**{word: arguments[0]} if arguments else {})
            try:
                return work(*arguments, **words)
            finally:
                structlog.contextvars.clear_contextvars()
                structlog.contextvars.bind_contextvars(**before)

        return within

    return decorate


_TALKATIVE = (
    "kombu", "amqp", "alembic", "celery.redirected", "celery.worker.strategy", "celery.app.trace", "celery.beat", "werkzeug"
)  # fmt: skip


def _rendering(form: str) -> list[Processor]:
    """How a finished event becomes a line."""
    if form == "json":
        return [
            structlog.processors.format_exc_info,
            _mask_event,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    # The default formatter shows the local variables of every frame: keys, names, whole requests.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, exception_formatter=plain)]


def configure(level: str = "info", form: str = "text", into: TextIO | None = None) -> None:
    """Send all logs, ours and those of libraries, in one form to stderr, or `into` a file."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    screen = logging.StreamHandler(into or sys.stderr)
    screen.setFormatter(
        _MaskingFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(form)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [screen]
    root.setLevel(level.upper())
    # At DEBUG this library prints the Bearer key and every address of the request.
    logging.getLogger("python_http_client").setLevel(logging.WARNING)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
