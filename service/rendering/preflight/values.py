"""Rules on readers' values: who gets no copy for want of one."""

from collections.abc import Iterator

from service.domain.personalisation import SYSTEM_FIELDS
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail


def check(mail: Mail, facts: Facts) -> Iterator[Finding]:
    """Tags without a default; for how many readers that matters, where the readers are known."""
    known = {missing.field: missing for missing in facts.missing}
    for field in dict.fromkeys(
        tag.field for tag in mail.tags if tag.default is None and tag.field not in SYSTEM_FIELDS
    ):
        where = mail.line(f"{{{{{field}") or f"the tag {{{{ {field} }}}}"
        remedy = f'Write {{{{ {field} | default: "…" }}}} to reach them too.'
        missing = known.get(field)
        if missing is None:
            text = f"{{{{ {field} }}}} has no default: readers without one get no copy"
            yield Finding("notes" if facts.longest else "warns", "tag-without-default", text, where, remedy)
            continue
        name = field.replace("_", " ")
        sample = f": {', '.join(missing.sample)}{' …' if missing.readers > len(missing.sample) else ''}"
        text = f"{missing.readers:,} of {missing.audience:,} readers have no {name} and get no copy{sample if missing.sample else ''}"
        everybody = missing.readers >= missing.audience
        yield Finding("blocks" if everybody else "warns", "value-missing", text, where, remedy)
