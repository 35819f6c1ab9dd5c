"""Headers on every answer."""

from flask import Response

POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


def secure(response: Response) -> Response:
    """Nothing loads from elsewhere, nothing frames us, and no address of ours reaches another site as a referrer."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    response.headers.setdefault("X-Robots-Tag", "noindex")
    return response
