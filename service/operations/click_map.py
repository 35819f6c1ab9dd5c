"""The mail as it was sent, with how many readers followed each link written beside it. Shows what the frozen variant holds; links
that are made for each reader have no number of their own."""

from collections.abc import Mapping
from typing import Any

from lxml import html

from service.db import transaction
from service.operations import counting, editing, looking

_BADGE = (
    "display:inline-block;margin:0 4px;padding:1px 7px;border-radius:10px;background:#1f4a86;color:#ffffff;font:bold 12px/1.5 Arial,sans-serif;"
    "text-decoration:none;vertical-align:middle;white-space:nowrap"
)


def clicks(issue_id: int, *, actor: str) -> dict[str, Mapping[str, Any]]:
    """Link → its `readers` and `clicks`. Raises NotFound, Forbidden."""
    editing.find(issue_id, actor=actor)
    with transaction() as tx:
        return {one["url"]: one for one in counting.of_issue(tx, issue_id)["links"]}


def drawn(issue_id: int, *, actor: str, variant: str | None = None) -> str:
    """The mail as HTML with a number after each link that was followed. Raises NotFound, Forbidden, Conflict, Invalid."""
    followed = clicks(issue_id, actor=actor)
    page = html.fromstring(looking.look(issue_id, actor=actor, variant=variant).html)
    for link in page.iter("a"):
        if (found := followed.get(link.get("href") or "")) is None:
            continue
        badge = html.Element("span", {"style": _BADGE, "title": f"{found['clicks']:,} clicks"})
        badge.text = f"{found['readers']:,}"
        badge.tail, link.tail = link.tail, None
        link.addnext(badge)
    return str(html.tostring(page, encoding="unicode", doctype="<!doctype html>"))
