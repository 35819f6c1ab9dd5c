"""How the sandbox's account is set up, as SendGrid tells it: a key that may send, a webhook that posts, domains that are authenticated."""

from flask import Blueprint, Response, request

from service.sandbox import answers
from service.sandbox.parts import Parts

EVENTS = ("processed", "deferred", "delivered", "bounce", "dropped", "open", "click", "spam_report", "unsubscribe")


def add(routes: Blueprint, parts: Parts) -> None:
    """Put them beside the routes for mail."""

    @routes.get("/scopes")
    def scopes() -> Response:
        return answers.good({"scopes": ["mail.send", "user.webhooks.event.settings.read", "whitelabel.read"]})

    @routes.get("/user/webhooks/event/settings/all")
    def webhooks() -> Response:
        hook = {"enabled": True, "url": parts.settings.webhook_url, "public_key": parts.public_key}
        return answers.good({"webhooks": [hook | dict.fromkeys(EVENTS, True)] if parts.settings.webhook_url else []})

    @routes.get("/whitelabel/domains")
    def domains() -> Response:
        name = request.args.get("domain", "")
        return answers.good([{"domain": name, "valid": True, "dns": _records(name)}] if name else [])


def _records(domain: str) -> dict[str, dict[str, object]]:
    """The records of an authenticated domain, as SendGrid words them."""
    hosts = {"mail_cname": f"em1.{domain}", "dkim1": f"s1._domainkey.{domain}", "dkim2": f"s2._domainkey.{domain}"}
    return {
        name: {"valid": True, "type": "cname", "host": host, "data": f"{name}.wl.sandbox.invalid"}
        for name, host in hosts.items()
    }
