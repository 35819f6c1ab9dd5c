"""The languages of an issue: one added beside the main text, or taken away. Refuses the newsletter's own, which the main text is
in, and one that is there already."""

from service.domain.conditions import tidy
from service.domain.permissions import Permission
from service.errors import Invalid, NotFound
from service.operations import authoring, editing
from service.operations.importing_rows import canonical

MOST = 20


def add(issue_id: int, language: str, *, actor: str) -> str:
    """Begin a text in another language as a copy of the main one, for whoever translates it; the language's tag as it is kept.
    Raises Invalid, NotFound, Conflict, Forbidden."""
    issue = editing.find(issue_id, actor=actor, permission=Permission.WRITE)
    written = language.strip().replace("_", "-")
    if not authoring.LANGUAGE.fullmatch(written):
        raise Invalid(f"“{language.strip()[:40]}” is no language; write its tag, such as de or zh-Hans.")
    tag = tidy("language", written)
    if tag == tidy("language", issue["newsletter_language"]):
        raise Invalid("The main text is in this language already. Write there, or add another.")
    if tag in {tidy("language", one) for one in issue["versions"]}:
        raise Invalid("There is a text in this language already.")
    if len(issue["versions"]) >= MOST:
        raise Invalid(f"An issue is written in at most {MOST} other languages. Take one away first.")
    editing.put(issue_id, canonical(written), issue["source"], actor=actor, why="added")
    return canonical(written)


def remove(issue_id: int, language: str, *, actor: str) -> int:
    """Take a language away: its readers get the main text. The number of the version in which it was last, for taking it back.
    Raises NotFound, Conflict, Forbidden."""
    issue = editing.find(issue_id, actor=actor, permission=Permission.WRITE)
    if language not in issue["versions"]:
        raise NotFound("There is no text in this language.")
    editing.put(issue_id, language, None, actor=actor, why="taken-away")
    return int(issue["version"])
