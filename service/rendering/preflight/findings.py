"""What preflight says of a mail: one finding for each thing, never a finding without a place and a way to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["blocks", "warns", "notes"]
SEVERITIES: tuple[Severity, ...] = ("blocks", "warns", "notes")


@dataclass(frozen=True)
class Finding:
    """`blocks` stops a send, `warns` should be mended, `notes` is good to know. `where`: "line 12" of the source where that is
    known, else a part of the mail."""

    severity: Severity
    rule: str
    text: str
    where: str
    remedy: str


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Each once: the grave ones first, within them in the order in which they were found."""
    return sorted(dict.fromkeys(findings), key=lambda finding: SEVERITIES.index(finding.severity))


def merged(by_variant: dict[str, list[Finding]]) -> list[Finding]:
    """The findings of all versions of an issue; what holds for some of them only says for which."""
    if len(by_variant) == 1:
        return ordered(next(iter(by_variant.values())))
    found: dict[Finding, list[str]] = {}
    for name, findings in by_variant.items():
        for finding in dict.fromkeys(findings):
            found.setdefault(finding, []).append(name)
    return ordered(
        finding
        if len(names) == len(by_variant)
        else replace(finding, where=f"{finding.where} ({', '.join(names)} only)")
        for finding, names in found.items()
    )
