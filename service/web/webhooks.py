"""SendGrid's signed events: raw bytes in, 2xx out; everything else happens later."""

from flask import Blueprint, Response, request

from service.clients.sendgrid_events import SIGNATURE_HEADER, TIMESTAMP_HEADER
from service.errors import Invalid
from service.operations import tracking

blueprint = Blueprint("webhooks", __name__)


@blueprint.post("/webhooks/sendgrid")
def sendgrid() -> Response:
    """Store the payload. 403 for what no key of ours has signed, 400 for what is no list of events, 413 above 2 MB."""
    try:
        tracking.receive(
            request.get_data(cache=False), request.headers.get(SIGNATURE_HEADER), request.headers.get(TIMESTAMP_HEADER)
        )
    except PermissionError as error:
        return Response(f"{error}\n", 403, mimetype="text/plain")
    except Invalid as error:
        return Response(f"{error}\n", 400, mimetype="text/plain")
    return Response(status=204)
