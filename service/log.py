"""Structured logs. Addresses, tokens and keys never reach them: a last filter masks what looks like one."""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_ADDRESS = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"',;:)]+")
_TOKEN = re.compile(r"(/(?:u|c|p)/)[\w-]{20,}|(SG\.)[\w.-]{10,}|(://[^:/@\s]*:)[^@\s]+(?=@)")


def mask(text: str) -> str:
    """The text with addresses, tokens, keys and passwords replaced."""
    text = _TOKEN.sub(lambda found: f"{found[1] or found[2] or found[3]}[…]", text)
    return _ADDRESS.sub("[address]", text)


def _mask_event(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = mask(value)
    return event


class _MaskingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats records of libraries too, and masks the finished line: tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


def configure(level: str = "info", form: str = "text") -> None:
    """Send all logs to stderr, ours and those of libraries, in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask_event,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(
        _MaskingFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [screen]
    root.setLevel(level.upper())
    # At DEBUG this library prints the Bearer key and every address of the request.
    logging.getLogger("python_http_client").setLevel(logging.WARNING)
    for name in ("kombu", "amqp", "alembic", "celery.redirected", "werkzeug"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
