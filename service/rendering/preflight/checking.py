"""Runs every rule over a mail and the facts known of it. Pure: the same mail and facts give the same findings."""

from collections.abc import Callable, Iterable, Iterator

from service.rendering.newsletter import Examined
from service.rendering.preflight import (
    contrast,
    footer,
    headline,
    links,
    notes,
    pictures,
    said,
    sender,
    size,
    structure,
    styles,
    textpart,
    values,
    wording,
)
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding, ordered
from service.rendering.preflight.mail import Letterhead, Mail

RULES: tuple[Callable[[Mail, Facts], Iterable[Finding]], ...] = (
    headline.check,
    values.check,
    structure.check,
    pictures.check,
    links.check,
    notes.check,
    wording.check,
    textpart.check,
    footer.check,
    size.check,
    contrast.check,
    styles.check,
    sender.check,
)


def check(mail: Mail, facts: Facts) -> list[Finding]:
    """What the rules find in a mail as it would be sent."""
    return ordered(_checked(mail, facts))


def check_text(examined: Examined, head: Letterhead, source: str, facts: Facts) -> list[Finding]:
    """The same for a text that was just rendered, with all that rendering said of it; each fault once."""
    found = said.findings_of(examined.problems, examined.warnings, alone=examined.rendered is None)
    if examined.rendered is None:
        return ordered(found)
    told = {(finding.rule, finding.where) for finding in found}
    mail = Mail.of(examined.rendered, head, source, facts.longest)
    return ordered([*found, *(one for one in _checked(mail, facts) if (one.rule, one.where) not in told)])


def _checked(mail: Mail, facts: Facts) -> Iterator[Finding]:
    for rule in RULES:
        yield from rule(mail, facts)
