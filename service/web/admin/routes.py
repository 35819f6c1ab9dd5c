"""The blueprints of the team's side."""

from flask import Flask

from service.web.admin import (
    account,
    alarms,
    approval,
    audience,
    audit,
    editor,
    frame,
    gate,
    home,
    imports,
    issues,
    keys,
    newsletters,
    operators,
    readers,
    report,
    segments,
    sending,
    settings,
    signing_in,
    single_sign_on,
    tags,
)

BLUEPRINTS = (
    account.blueprint,
    alarms.blueprint,
    approval.blueprint,
    audience.blueprint,
    audit.blueprint,
    editor.blueprint,
    home.blueprint,
    imports.blueprint,
    issues.blueprint,
    keys.blueprint,
    newsletters.blueprint,
    operators.blueprint,
    readers.blueprint,
    report.blueprint,
    segments.blueprint,
    sending.blueprint,
    settings.blueprint,
    signing_in.blueprint,
    single_sign_on.blueprint,
    tags.blueprint,
)


def register(app: Flask) -> None:
    """Put them, and the gate before them, into the application."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    gate.register(app)
    frame.register(app)
