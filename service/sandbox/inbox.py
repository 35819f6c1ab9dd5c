"""The inbox page: what readers would have got, for a person to look at. Plain HTML, nothing from elsewhere, no script."""

from flask import Blueprint

from service.sandbox.parts import Parts


def blueprint(_parts: Parts) -> Blueprint:
    return Blueprint("inbox", __name__, template_folder="templates")
