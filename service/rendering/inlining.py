"""Moves the design's style into the elements, once for a whole issue, and checks that nothing precious went missing.

The only place that knows premailer. It fetches nothing.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from premailer import Premailer

from service.domain.personalisation import PLACEHOLDER

PRECIOUS = ("<!DOCTYPE html>", "@media (prefers-color-scheme: dark)", "<!--[if mso]>")

_COMMENT_OR_TAG = re.compile(r"""<!--.*?-->|<[A-Za-z](?:"[^"]*"|'[^']*'|[^"'>])*>""", re.DOTALL)
_QUOTED = re.compile(r"""="[^"]*"|='[^']*'""")


class InliningError(RuntimeError):
    """The inliner changed what it must not touch: a fault of the design or of the inliner, never of the author."""


_watchers: list[Callable[[str], object]] = []


@contextmanager
def watched(see: Callable[[str], object]) -> Iterator[None]:
    """Show `see` every page that is given to premailer meanwhile: it is dear, and must run once for a variant."""
    _watchers.append(see)
    try:
        yield
    finally:
        _watchers.remove(see)


def inline_styles(page: str) -> str:
    """The page with styles in its elements; what cannot go there, such as media queries, stays in the head."""
    page = _with_escaped_attributes(page)
    inlined = _with_escaped_attributes(bare(page))
    for precious in PRECIOUS:
        if page.count(precious) != inlined.count(precious):
            raise InliningError(f"inlining the styles lost “{precious}”")
    if Counter(PLACEHOLDER.findall(page)) != Counter(PLACEHOLDER.findall(inlined)):
        raise InliningError("inlining the styles changed the places for readers' values")
    return inlined


def bare(page: str) -> str:
    """What premailer makes of a page, unchecked: the yardstick of benchmarks."""
    for see in _watchers:
        see(page)
    return str(
        Premailer(
            page,
            method="html",
            allow_network=False,
            allow_loading_external_files=False,
            disable_validation=True,
            strip_important=False,
            # It would write `height: auto` over a picture's height, and a table's text-align as `align`, which makes it float.
            disable_basic_attributes=["height", "align"],
            cssutils_logging_level=logging.CRITICAL,
        ).transform(pretty_print=False)  # a line break between two columns is a space that pushes one below the other
    )


def _with_escaped_attributes(page: str) -> str:
    """The serialiser leaves < and > in attributes as they are. Browsers read that; gateways that look for tags or for Outlook's
    comments by their letters would find some in an author's subject or in the words for a picture."""

    def escaped(value: re.Match[str]) -> str:
        return value.group().replace("<", "&lt;").replace(">", "&gt;")

    def tag(found: re.Match[str]) -> str:
        whole = found.group()
        return whole if whole.startswith("<!--") else _QUOTED.sub(escaped, whole)

    return _COMMENT_OR_TAG.sub(tag, page)
