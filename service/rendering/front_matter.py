"""The head of an author's file, as a form shows it: subject and preheader apart from the text, and all of it put together
again. Loses nothing that it does not know."""

import re
from dataclasses import dataclass

_KEY = re.compile(r"\s*(subject|preheader)\s*:\s*(.*)", re.IGNORECASE)
_FENCE = "---"


@dataclass(frozen=True)
class Parts:
    """`others`: lines of the front matter that no field shows; `before`: how many lines of the file come before the body."""

    subject: str
    preheader: str
    others: tuple[str, ...]
    body: str
    before: int


def split(markdown: str) -> Parts:
    """The parts of a file. What begins like front matter and never ends is body."""
    lines = markdown.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), 0)
    if lines[0].rstrip() != _FENCE or not end or not _is_head(lines[1:end]):
        return Parts("", "", (), "\n".join(lines), 0)
    found: dict[str, str] = {}
    others = []
    for line in lines[1:end]:
        match = _KEY.fullmatch(line)
        if match and match[1].lower() not in found:
            found[match[1].lower()] = _unquoted(match[2].strip())
        elif line.strip():
            others.append(line)
    start = end + 1
    while start < len(lines) and not lines[start].strip():
        start += 1
    return Parts(found.get("subject", ""), found.get("preheader", ""), tuple(others), "\n".join(lines[start:]), start)


def join(subject: str, preheader: str, body: str, others: tuple[str, ...] = ()) -> str:
    """The file that has these parts."""
    head = [
        f"{name}: {_quoted(' '.join(value.split()))}"
        for name, value in (("subject", subject), ("preheader", preheader))
        if value.strip()
    ]
    head += [line for line in others if line.strip()]
    text = body.replace("\r\n", "\n").replace("\r", "\n")
    if not head:
        return text
    return "\n".join([_FENCE, *head, _FENCE, "", text])


def with_subject(markdown: str, subject: str) -> str:
    """The file with this subject in its head."""
    parts = split(markdown)
    return join(subject, parts.preheader, parts.body, parts.others)


def _is_head(lines: list[str]) -> bool:
    first = next((line for line in lines if line.strip()), "")
    return not first or first.startswith("#") or re.match(r"[A-Za-z][\w-]*\s*:", first.strip()) is not None


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _quoted(value: str) -> str:
    """A value that itself stands in quotation marks would lose them."""
    return f'"{value}"' if _unquoted(value) != value else value
