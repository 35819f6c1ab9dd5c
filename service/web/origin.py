"""Where a request comes from, as far as it is kept: for the details of a consent act."""

from flask import request

from service.domain.networks import network_of, user_agent_family


def origin_of_request() -> dict[str, str]:
    """The network and the browser's family, nothing finer."""
    return {
        "network": network_of(request.remote_addr),
        "user_agent": user_agent_family(request.headers.get("User-Agent")),
    }
