"""Headers on every answer. A page that runs a script asks for it; nothing may run or style itself from within a page."""

from flask import Response, g

POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
SCRIPTS = "; script-src 'self'; connect-src 'self'"


def secure(response: Response) -> Response:
    """Nothing loads from elsewhere, nothing frames us, and no address of ours reaches another site as a referrer.

    A view that sets `g.scripts = True` lets its page load scripts of ours; one that sets `g.policy` has a policy of its own.
    """
    policy = g.get("policy") or POLICY + (SCRIPTS if g.get("scripts") else "")
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    response.headers.setdefault("X-Robots-Tag", "noindex")
    return response
