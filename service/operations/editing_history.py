"""What an issue was before: versions, what changed between them, and back to one; copies of whole issues, archived ones, and who
else has one open."""

import difflib
from dataclasses import dataclass
from typing import Any

from service.db import transaction
from service.domain.permissions import Permission
from service.errors import Conflict, NotFound
from service.operations import authoring, editing
from service.operations.auditing import audit
from service.operations.editing import Saved
from service.operations.operator_sessions import SignedIn
from service.operations.permitting import require, within

_LIST = """
    SELECT i.id, i.subject, i.state, i.state_reason, i.scheduled_at, i.sent_at, i.candidates, i.problems <> '[]' AS has_problems,
        i.archived_at, i.created_at, w.name AS newsletter_name,
        (SELECT max(v.at) FROM issue_versions v WHERE v.issue_id = i.id) AS written_at
    FROM issues i JOIN newsletters w ON w.id = i.newsletter_id
    WHERE (CAST(:only AS bigint[]) IS NULL OR i.newsletter_id = ANY(:only))
      AND (CAST(:newsletter AS bigint) IS NULL OR i.newsletter_id = :newsletter)
      AND (CAST(:states AS text[]) IS NULL OR i.state = ANY(:states))
      AND (i.archived_at IS NOT NULL) = :archived
      AND (CAST(:words AS text) IS NULL OR strpos(lower(i.subject), lower(:words)) > 0)
      AND (CAST(:before AS bigint) IS NULL OR i.id < :before)
    ORDER BY i.id DESC LIMIT :limit
"""


def listed(
    actor: str,
    *,
    newsletter_id: int | None = None,
    states: list[str] | None = None,
    words: str = "",
    archived: bool = False,
    before: int | None = None,
    limit: int = 25,
) -> list[dict[str, Any]]:
    """Issues that somebody may see, the newest first, page by page: `before` is the id of the last one seen."""
    with transaction() as tx:
        rows = tx.execute(
            _LIST,
            only=within(actor, Permission.SEE),
            newsletter=newsletter_id,
            states=states,
            words=words.strip() or None,
            archived=archived,
            before=before,
            limit=limit,
        ).mappings()
        return [dict(row) for row in rows]


def versions(issue_id: int, *, actor: str, language: str = editing.MAIN) -> list[dict[str, Any]]:
    """The versions in which the text of a language was changed, the newest first, with who made each. Raises NotFound."""
    editing.find(issue_id, actor=actor)
    with transaction() as tx:
        rows = tx.execute(
            """SELECT v.number, v.why, v.at, v.actor, coalesce(o.name, v.actor) AS name, length(v.text) AS characters
               FROM (SELECT x.*, lag(x.text) OVER (ORDER BY x.at, x.number) AS before FROM (
                   SELECT *, CASE WHEN :language = '' THEN source ELSE versions ->> :language END AS text
                   FROM issue_versions WHERE issue_id = :id) x) v LEFT JOIN operators o ON v.actor = 'operator ' || o.id
               WHERE v.text IS NOT NULL AND (v.text IS DISTINCT FROM v.before OR (:language = '' AND v.versions = '{}'))
               ORDER BY v.at DESC, v.number DESC LIMIT 500""",
            id=issue_id,
            language=language,
        ).mappings()
        return [dict(row) for row in rows]


def text_of(issue_id: int, number: int, *, actor: str, language: str = editing.MAIN) -> str:
    """The text of one version in a language. Raises NotFound, also where the language was not there yet."""
    editing.find(issue_id, actor=actor)
    with transaction() as tx:
        found = tx.execute(
            """SELECT CASE WHEN :language = '' THEN source ELSE versions ->> :language END FROM issue_versions
               WHERE issue_id = :id AND number = :number""",
            id=issue_id,
            number=number,
            language=language,
        ).scalar_one_or_none()
    if found is None:
        raise NotFound("There is no such version of this issue.")
    return str(found)


@dataclass(frozen=True)
class Line:
    """A line of a comparison. `kind`: same, added, removed or skipped (lines left out, whose number is `text`)."""

    kind: str
    text: str


def compare(before: str, after: str, around: int = 2) -> list[Line]:
    """What changed, line by line, with a few lines around each change."""
    old, new = before.split("\n"), after.split("\n")
    found: list[Line] = []
    at = 0
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(around):
        if group[0][1] > at:
            found.append(Line("skipped", str(group[0][1] - at)))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [Line("same", line) for line in old[i1:i2]]
                continue
            found += [Line("removed", line) for line in old[i1:i2]]
            found += [Line("added", line) for line in new[j1:j2]]
        at = group[-1][2]
    if found and at < len(old):
        found.append(Line("skipped", str(len(old) - at)))
    return found


def restore(issue_id: int, number: int, *, actor: str, language: str = editing.MAIN) -> Saved:
    """Make a former text of a language the present one, as a new version; also where the language was taken away since. Raises
    NotFound, Conflict, Forbidden."""
    text = text_of(issue_id, number, actor=actor, language=language)
    present = editing.find(issue_id, actor=actor, permission=Permission.WRITE)
    if language not in editing.texts_of(present):
        return editing.put(issue_id, language, text, actor=actor, why="restored")
    return editing.save(issue_id, text, base=present["version"], actor=actor, why="restored", language=language)


def duplicate(issue_id: int, *, actor: str) -> int:
    """A draft with the same words and pictures; its id. Raises NotFound, Forbidden."""
    issue = editing.find(issue_id, actor=actor, permission=Permission.WRITE)
    with transaction() as tx:
        newsletter = authoring.newsletter_of(tx, issue["newsletter_id"])
        made = authoring.insert_unrendered(tx, newsletter, issue["source"])
        tx.execute(
            "UPDATE issues SET versions = (SELECT versions FROM issues WHERE id = :old) WHERE id = :id",
            id=made,
            old=issue_id,
        )
        tx.execute(
            """INSERT INTO issue_pictures (issue_id, name, media, width, height)
               SELECT :id, name, media, width, height FROM issue_pictures WHERE issue_id = :old""",
            id=made,
            old=issue_id,
        )
        audit(tx, actor, "duplicate", f"issue {issue_id}", copy=made)
    editing.render_first(made, issue["source"], actor=actor)
    return made


def archive(issue_id: int, *, actor: str, back: bool = False) -> None:
    """Put an issue away, or back among the others; nothing of it is lost. Raises NotFound, Forbidden, and Conflict while it is on
    its way."""
    issue = editing.find(issue_id, actor=actor, permission=Permission.WRITE)
    if not back and issue["state"] not in ("draft", "approved", "sent", "cancelled"):
        raise Conflict("The issue is on its way. Pause or cancel it first.")
    with transaction() as tx:
        tx.execute(
            "UPDATE issues SET archived_at = CASE WHEN :back THEN NULL ELSE clock_timestamp() END WHERE id = :id",
            id=issue_id,
            back=back,
        )
        audit(tx, actor, "unarchive" if back else "archive", f"issue {issue_id}")


def here(issue_id: int, who: SignedIn) -> list[str]:
    """Note that this operator has the issue open; the names of the others who have. Raises NotFound, Forbidden."""
    with transaction() as tx:
        newsletter = tx.execute("SELECT newsletter_id FROM issues WHERE id = :id", id=issue_id).scalar_one_or_none()
        if newsletter is None:
            raise NotFound(f"There is no issue {issue_id}.")
        require(who.actor, Permission.WRITE, newsletter)
        tx.execute(
            """INSERT INTO issue_editors (issue_id, operator_id) VALUES (:issue, :who)
               ON CONFLICT (issue_id, operator_id) DO UPDATE SET seen_at = clock_timestamp()""",
            issue=issue_id,
            who=who.operator_id,
        )
        rows = tx.execute(
            """SELECT o.name FROM issue_editors e JOIN operators o ON o.id = e.operator_id
               WHERE e.issue_id = :issue AND e.operator_id <> :who AND e.seen_at > clock_timestamp() - interval '30 seconds' ORDER BY o.name""",
            issue=issue_id,
            who=who.operator_id,
        )
        return list(rows.scalars())
