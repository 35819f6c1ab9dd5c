"""Moves the design's style into the elements, once for a whole issue, and checks that nothing precious went missing.

The only place that knows premailer. It fetches nothing.
"""

import logging
from collections import Counter

from premailer import Premailer

from service.domain.personalisation import PLACEHOLDER

PRECIOUS = ("<!DOCTYPE html>", "@media (prefers-color-scheme: dark)", "<!--[if mso]>")


class InliningError(RuntimeError):
    """The inliner changed what it must not touch: a fault of the design or of the inliner, never of the author."""


def inline_styles(page: str) -> str:
    """The page with styles in its elements; what cannot go there, such as media queries, stays in the head."""
    inlined = str(
        Premailer(
            page,
            method="html",
            allow_network=False,
            allow_loading_external_files=False,
            disable_validation=True,
            strip_important=False,
            disable_basic_attributes=["height"],  # it would write `height: auto` over a picture's height
            cssutils_logging_level=logging.CRITICAL,
        ).transform(pretty_print=False)  # a line break between two columns is a space that pushes one below the other
    )
    for precious in PRECIOUS:
        if page.count(precious) != inlined.count(precious):
            raise InliningError(f"inlining the styles lost “{precious}”")
    if Counter(PLACEHOLDER.findall(page)) != Counter(PLACEHOLDER.findall(inlined)):
        raise InliningError("inlining the styles changed the places for readers' values")
    return inlined
