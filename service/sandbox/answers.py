"""SendGrid's answers as data: the shape of an error, its texts and its status. Decides nothing."""

from collections.abc import Sequence

import orjson
from flask import Response

HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#"

Error = dict[str, str | None]

BAD_REQUEST: Error = {"message": "Bad Request", "field": None, "help": None}
BAD_KEY: Error = {
    "message": "The provided authorization grant is invalid, expired, or revoked",
    "field": None,
    "help": None,
}
NO_KEY: Error = {"message": "authorization required", "field": None, "help": None}
NO_CREDITS: Error = {"message": "Maximum credits exceeded", "field": None, "help": None}
TOO_LARGE: Error = {"message": "content too large", "field": None, "help": None}
WRONG_TYPE: Error = {
    "message": "Content-Type should be application/json.",
    "field": None,
    "help": HELP + "message.content-type",
}
TOO_MANY: Error = {"field": None, "message": "too many requests"}
UNVERIFIED_SENDER: Error = {
    "message": (
        "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. "
        "Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity "
        "requirements"
    ),
    "field": "from",
    "help": None,
}
NO_VALID_TO = (
    "The to array is required for all personalization objects, and must have at least one email object with a valid "
    "email address."
)


def error(message: str, field: str | None, topic: str | None = None) -> Error:
    """One entry of `errors`. `topic` names the section of SendGrid's error page, e.g. `message.subject`."""
    return {"message": message, "field": field, "help": HELP + topic if topic else None}


def refuse(status: int, errors: Sequence[Error], headers: dict[str, str] | None = None) -> Response:
    return Response(
        orjson.dumps({"errors": errors}), status=status, headers=headers or {}, content_type="application/json"
    )


def good(found: object) -> Response:
    return Response(orjson.dumps(found), content_type="application/json")


def accepted(request_id: str) -> Response:
    return Response(b"", status=202, headers={"X-Message-Id": request_id}, content_type="text/plain; charset=utf-8")
