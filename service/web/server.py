"""Gunicorn's configuration: threads, because webhooks and one-click posts wait for the database, not for the processor."""

import gc
import os
from typing import Any

from service import db
from service.web import asking

_address = os.environ.get("LISTEN", "127.0.0.1")
bind = f"{f'[{_address}]' if ':' in _address else _address}:{os.environ.get('PORT', '8000')}"
# One more than processors: Python runs one thread of a process at a time, so that each of two rests while its own threads wait.
workers = 3
threads = 5
worker_class = "service.web.worker.Worker"
timeout = 60
graceful_timeout = 10
preload_app = True
control_socket_disable = True
errorlog = "-"
# No access log: addresses of readers and the tokens in their links would be in it.
accesslog = None


def post_fork(_server: Any, worker: Any) -> None:
    """Each worker opens its own connections."""
    # What was loaded before the fork stays for good: to look through it for garbage again and again is a twentieth of a request.
    gc.freeze()
    db.after_fork()
    asking.forget()
    worker.app.wsgi().extensions["meter"].use_slot(worker.age)
