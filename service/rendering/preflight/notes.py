"""Rules on numbered notes in the final mail: both ways lead somewhere, and none is there twice."""

from collections.abc import Iterator

from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail


def check(mail: Mail, _facts: Facts) -> Iterator[Finding]:
    """Notes that say the same; marks without a note and notes without a mark are found by rendering and by the links' rules."""
    said: dict[str, int] = {}
    for number, note in enumerate(
        mail.tree.xpath("//*[contains(concat(' ', @class, ' '), ' notes ')]//ol/li"), start=1
    ):
        words = " ".join("".join(note.itertext()).replace("↩\ufe0e", "").split()).casefold()
        if words in said:
            yield Finding(
                "warns",
                "note-repeated",
                f"note {number} says what note {said[words]} says",
                mail.place(words, otherwise=f"note {number}"),
                "Refer to the first one again, by the same [^name].",
            )
        said.setdefault(words, number)
