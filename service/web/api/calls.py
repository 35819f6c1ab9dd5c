"""The table of calls: method, path, fields, and the operation behind each."""

from service.web.api import issue_calls, reader_calls
from service.web.api.call import PREFIX, Call

__all__ = ["CALLS", "PREFIX", "Call"]
CALLS: tuple[Call, ...] = (*issue_calls.CALLS, *reader_calls.CALLS)
