"""The only place where parts are wired together: settings, log, database, queue, and the web application."""

import hashlib
import hmac

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from service import db, log, queue, settings
from service.errors import BroadsheetError
from service.settings import ROOT, Settings
from service.web import media, status, webhooks
from service.web.public import leaving
from service.web.security import secure

MAXIMUM_BODY = 2 * 1024 * 1024 + 1024
"""Bytes. SendGrid fills payloads up to 768 KB; nothing else that we take is larger."""


def wire(chosen: Settings, *, pool_size: int = 5) -> None:
    """Make this process work with these settings: web, worker or command alike."""
    settings.configure(chosen)
    log.configure(chosen.log_level, chosen.log_format)
    db.configure(chosen.database_url, pool_size)
    queue.configure(chosen)


def check_installation() -> None:
    """Refuse to work with another ADDRESS_KEY than the one that the suppressions in the database were made with.

    Raises BroadsheetError. A process with the wrong key would not recognise those who left.
    """
    check = hmac.new(settings.current().address_key, b"installation", hashlib.sha256).digest()
    with db.transaction() as tx:
        tx.execute("UPDATE installation SET address_key_check = :check WHERE address_key_check IS NULL", check=check)
        stored = tx.execute("SELECT address_key_check FROM installation").scalar_one()
    if not hmac.compare_digest(bytes(stored), check):
        raise BroadsheetError(
            "ADDRESS_KEY is not the key that this database was made with. Without it nobody who left is recognised; put the first one back."
        )


def create_app(chosen: Settings) -> Flask:
    """The web application. Raises BroadsheetError when the database is unreachable, too old, or not ours."""
    wire(chosen, pool_size=10)
    db.check_server()
    check_installation()
    app = Flask(
        "broadsheet",
        template_folder=str(ROOT / "templates" / "web"),
        static_folder=str(ROOT / "service" / "web" / "static"),
    )
    app.config["MAX_CONTENT_LENGTH"] = MAXIMUM_BODY
    if chosen.trusted_proxies:
        hops = chosen.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    for blueprint in (leaving.blueprint, webhooks.blueprint, media.blueprint, status.blueprint):
        app.register_blueprint(blueprint)
    app.after_request(secure)
    return app
