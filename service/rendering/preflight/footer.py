"""Rules on what every mail must say: who sends it and from where, and how to leave."""

import re
from collections.abc import Iterator

from service.rendering.design import sender_and_address
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail

LONGEST_HEADER = 77
"""Bytes of List-Unsubscribe with its brackets: SendGrid's relay was seen to re-encode longer ones."""


def check(mail: Mail, _facts: Facts) -> Iterator[Finding]:
    """Address and leave link, in both parts."""
    html, text = _bare(mail.tree.text_content()), _bare(mail.text)
    lines = sender_and_address(mail.head.masthead)
    for part, words in (("the HTML", html), ("the text part", text)):
        if not any(line.strip() for line in lines) or any(_bare(line) not in words for line in lines):
            yield Finding(
                "blocks",
                "postal-address",
                f"{part} does not show the postal address, which the law asks for",
                part,
                "Set the newsletter's postal address; a design must show it.",
            )
    if all(link.get("href") != mail.head.leave_url for link in mail.links):
        yield _no_way_out("the HTML")
    if mail.head.leave_url not in mail.text:
        yield _no_way_out("the text part")
    size = len(f"<{mail.head.leave_url}>".encode())
    if size > LONGEST_HEADER:
        yield Finding(
            "warns",
            "list-unsubscribe-long",
            f"List-Unsubscribe has {size} bytes; from {LONGEST_HEADER + 1} on, one-click leaving breaks on its way",
            "the header List-Unsubscribe",
            "Use a shorter PUBLIC_URL.",
        )


def _no_way_out(part: str) -> Finding:
    return Finding(
        "blocks", "leave-link", f"{part} has no link to leave by", part, "Use a design that has one; an author cannot."
    )


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text)
