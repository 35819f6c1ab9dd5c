"""The web application, put together."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from service import db
from service.settings import ROOT, Settings
from service.web import assets, brand, faults, frame, media, metering, naming, status, webhooks
from service.web.admin import routes as admin
from service.web.api import signups, team
from service.web.public import (
    address,
    archive,
    confirming,
    erasing,
    feeds,
    leaving,
    linking,
    preferences,
    reader_data,
    subscribing,
    why,
)
from service.web.security import secure
from service.wiring import check_installation, wire

MAXIMUM_BODY = 2 * 1024 * 1024 + 1024
"""Bytes. SendGrid fills payloads up to 768 KB; nothing else that we take is larger."""


def create_app(chosen: Settings) -> Flask:
    """The web application. Raises BroadsheetError when the database is unreachable, too old, or not ours."""
    wire(chosen, pool_size=10)
    db.check_server()
    check_installation()
    folders = {"template_folder": ROOT / "templates" / "web", "static_folder": ROOT / "service" / "web" / "static"}
    app = Flask("broadsheet", **{name: str(path) for name, path in folders.items()})  # type: ignore[arg-type]
    app.config["MAX_CONTENT_LENGTH"] = MAXIMUM_BODY
    if hops := chosen.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    metering.register(app)
    naming.register(app)
    for blueprint in (
        subscribing.blueprint,
        confirming.blueprint,
        signups.blueprint,
        team.blueprint,
        leaving.blueprint,
        linking.blueprint,
        preferences.blueprint,
        why.blueprint,
        reader_data.blueprint,
        address.blueprint,
        erasing.blueprint,
        archive.blueprint,
        feeds.blueprint,
        webhooks.blueprint,
        media.blueprint,
        status.blueprint,
        brand.blueprint,
    ):
        app.register_blueprint(blueprint)
    assets.register(app)
    admin.register(app)
    frame.register(app)
    faults.register(app)
    metering.equip(app)
    app.after_request(secure)
    return app
