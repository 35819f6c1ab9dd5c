"""The blueprints of the team's side."""

from flask import Flask

from service.web.admin import account, editor, frame, gate, home, imports, issues, newsletters, operators, signing_in

BLUEPRINTS = (
    account.blueprint,
    editor.blueprint,
    home.blueprint,
    imports.blueprint,
    issues.blueprint,
    newsletters.blueprint,
    operators.blueprint,
    signing_in.blueprint,
)


def register(app: Flask) -> None:
    """Put them, and the gate before them, into the application."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    gate.register(app)
    frame.register(app)
