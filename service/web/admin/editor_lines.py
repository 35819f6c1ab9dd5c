"""Where something is in the text that an author has before them: lines without the head of the file, which stands in fields of its
own, and in the language that is open. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.rendering import front_matter

_LINE = re.compile(r"\bline (\d+)")
_TOLD = re.compile(r"([A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*): ")
_ONLY = re.compile(r" \(([^()]+(?: \(\d+\))?) only\)$")


@dataclass(frozen=True)
class Open:
    """The text that is open. `texts`: language → text of the issue, its newsletter's own among them; `language` is open."""

    texts: Mapping[str, str]
    language: str

    def problem(self, text: str) -> tuple[str, int | None]:
        """What keeps a mail from being rendered, with lines as the author sees them, and the line to jump to if it is in this text."""
        said = _TOLD.match(text)
        language = said[1] if said and said[1] in self.texts else self.language
        bare = text[said.end() :] if said and language == self.language and said[1] == language else text
        return self._shifted(bare, language)

    def finding(self, where: str) -> tuple[str, int | None]:
        """The same for the place of something that preflight found, which may name variants."""
        named = _ONLY.search(where)
        languages = {one.split("/")[0].split(" (")[0] for one in named[1].split(", ")} if named else set()
        other = next(iter(languages)) if len(languages) == 1 else self.language
        return self._shifted(where, other if other in self.texts else self.language)

    def _shifted(self, text: str, language: str) -> tuple[str, int | None]:
        before = front_matter.split(self.texts[language]).before
        shifted = _LINE.sub(
            lambda found: f"line {int(found[1]) - before}" if int(found[1]) > before else "the subject or preview text",
            text,
        )
        line = _LINE.search(shifted) if language == self.language else None
        return shifted, int(line[1]) if line else None
