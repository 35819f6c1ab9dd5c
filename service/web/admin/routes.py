"""The blueprints of the team's side."""

from flask import Flask

from service.web.admin import frame, gate, home, signing_in

BLUEPRINTS = (
    home.blueprint,
    signing_in.blueprint,
)


def register(app: Flask) -> None:
    """Put them, and the gate before them, into the application."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    gate.register(app)
    frame.register(app)
