"""The clock and the hands: the Celery application, one-line tasks over operations, and the beat schedule."""

from tasks.app import app

__all__ = ["app"]
