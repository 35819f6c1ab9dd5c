"""Writing an issue: every saving is rendered as it would be sent and kept as a version. A text that cannot be rendered yet is
kept with what is wrong with it, and cannot be sent. Refuses to write one person's text over another's."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.db import Transaction, transaction
from service.domain.merging import merge
from service.domain.permissions import Permission
from service.errors import Conflict, Invalid, NotFound
from service.operations import authoring, segments
from service.operations.auditing import audit
from service.operations.authoring import Source, masthead_of
from service.operations.authoring_variants import Variant, content_hash, insert_variants, render_all
from service.operations.permitting import require
from service.operations.requests import MEDIA_ORIGIN
from service.rendering import front_matter
from service.rendering.newsletter import Picture
from service.rendering.variants import Text

EDITABLE = ("draft", "approved")
MAIN = ""
"""In the place of a language: the issue's main text, in the newsletter's own."""
_TOLD = {"added": "add a language", "taken-away": "take a language away"}
FOLDED = "5 minutes"
"""Within it, the autosavings of one person become one version."""
BLANK = 'Dear {{ first_name | default: "reader" }},\n\n'

_FIND = """
    SELECT i.*, w.name AS newsletter_name, w.slug AS newsletter, w.language AS newsletter_language FROM issues i JOIN newsletters w ON w.id = i.newsletter_id WHERE i.id = :id
"""

_KEEP = """
    UPDATE issues i SET source = :source, versions = CAST(:versions AS jsonb), subject = :subject, problems = CAST(:problems AS jsonb), version = :number,
        content_hash = :hash, sender_name = w.sender_name, sender_address = w.sender_address, reply_to = w.reply_to,
        tracking_policy = w.tracking_policy, audience_hash = :audience_hash, state = 'draft', state_reason = CASE WHEN state = 'approved' THEN 'changed since it was approved' END
    FROM newsletters w WHERE w.id = :newsletter AND i.id = :id
"""


@dataclass(frozen=True)
class Saved:
    """`number`: the version that is there now. `merged`: somebody else's changes are in it too."""

    number: int
    problems: tuple[str, ...]
    merged: bool = False


class Collision(Conflict):
    """Somebody else changed the same place meanwhile. What was sent is kept as the version `number`."""

    def __init__(self, number: int) -> None:
        super().__init__("Somebody else changed the same lines meanwhile. Your text is kept beside theirs.")
        self.number = number


def find(issue_id: int, *, actor: str, permission: Permission = Permission.SEE) -> dict[str, Any]:
    """An issue as its pages show it. Raises NotFound, Forbidden."""
    with transaction() as tx:
        return _found(tx, issue_id, actor, permission)


def begin(newsletter_id: int, *, actor: str, source: Source | None = None, subject: str = "") -> int:
    """A new draft: blank, or from a file. Raises NotFound, Forbidden."""
    require(actor, Permission.WRITE, newsletter_id)
    markdown = front_matter.join(subject or "Untitled issue", "", BLANK) if source is None else titled(source)
    with transaction() as tx:
        newsletter = authoring.newsletter_of(tx, newsletter_id)
        issue_id = authoring.insert_unrendered(tx, newsletter, markdown)
        for name, content in (source.pictures if source else {}).items():
            authoring.keep_picture(tx, issue_id, name, authoring.stored_picture(content, name))
        audit(tx, actor, "create", f"issue {issue_id}")
    render_first(issue_id, markdown, actor=actor)
    return issue_id


def render_first(issue_id: int, markdown: str, *, actor: str) -> None:
    """Render a draft of which nothing has been rendered yet, and make its text the first version."""
    _save(issue_id, markdown, None, actor=actor, why="made")


def save(issue_id: int, markdown: str, *, base: int, actor: str, why: str = "saved", language: str = MAIN) -> Saved:
    """Keep this text, which was begun from version `base`, as the present one in its `language`. What another person changed
    meanwhile elsewhere in it is kept too.

    Raises Collision; Conflict once the issue is on its way; NotFound, Forbidden, and Invalid for what is no text at all.
    """
    if "\x00" in markdown or len(markdown.encode(errors="replace")) > authoring.LARGEST_SOURCE:
        raise Invalid("This is no text, or more than 2 MB of it. Nothing was saved; take some of it out.")
    text = markdown.encode(errors="replace").decode()
    try:
        return _save(issue_id, text, base, actor=actor, why=why, language=language)
    except _CollidesError:
        raise Collision(_keep_aside(issue_id, text, actor, language)) from None


def put(issue_id: int, language: str, markdown: str | None, *, actor: str, why: str) -> Saved:
    """Give the issue a text in another language, whatever was there, or, with None, take that language away. Raises Conflict,
    NotFound, Forbidden."""
    return _save(issue_id, markdown, None, actor=actor, why=why, language=language)


def texts_of(issue: Mapping[str, Any]) -> dict[str, str]:
    """Language → text of an issue or of a version of it; the main one is at MAIN."""
    return {MAIN: issue["source"], **issue["versions"]}


def _save(
    issue_id: int, markdown: str | None, base: int | None, *, actor: str, why: str, language: str = MAIN
) -> Saved:
    with transaction() as tx:
        issue = _found(tx, issue_id, actor, Permission.WRITE)
        _check_editable(issue)
        present = texts_of(issue)
        if base is not None and language not in present:
            raise Conflict("Somebody took this language away meanwhile. Add it again to write on.")
        merged = None if markdown is None else _merged(tx, issue, markdown, base, language)
        text = markdown if merged is None else merged
        newsletter = authoring.newsletter_of(tx, issue["newsletter_id"])
        fields = authoring.fields_of(tx, issue["newsletter_id"])
        pictures = pictures_of(tx, issue_id)
    if merged is None and base is not None and text == present[language]:
        return Saved(issue["version"], tuple(issue["problems"]))
    texts = {tag: one for tag, one in (present | {language: text}).items() if one is not None}
    made = _rendered(newsletter, texts, fields, pictures)
    with transaction() as tx:
        now = _locked(tx, issue_id)
        _check_editable(now)
        if now["version"] != issue["version"]:
            return_to = None
        else:
            return_to = _keep(
                tx, now, newsletter, texts, language, made, actor=actor, why="merged" if merged is not None else why
            )
    if return_to is None:  # somebody was faster while this text was rendered
        return _save(issue_id, markdown, base, actor=actor, why=why, language=language)
    return Saved(return_to, made.problems, merged is not None)


@dataclass(frozen=True)
class _Made:
    """What came of a text: variants, or what is wrong."""

    variants: list[Variant]
    problems: tuple[str, ...]


def _rendered(
    newsletter: Mapping[str, Any],
    written: Mapping[str, str],
    fields: frozenset[str],
    pictures: Mapping[str, Picture],
) -> _Made:
    texts = {newsletter["language"]: Text(written[MAIN])} | {
        tag: Text(text) for tag, text in sorted(written.items()) if tag != MAIN
    }

    def picture(_language: str, name: str) -> Picture:
        if name not in pictures:
            raise Invalid(f"the picture {name} is not among the issue's pictures; add it, or correct its name")
        return pictures[name]

    try:
        return _Made(render_all(texts, masthead_of(newsletter), fields=fields, picture=picture), ())
    except Invalid as error:
        return _Made([], tuple(error.problems))


def _keep(
    tx: Transaction,
    issue: Mapping[str, Any],
    newsletter: Mapping[str, Any],
    texts: Mapping[str, str],
    language: str,
    made: _Made,
    *,
    actor: str,
    why: str,
) -> int:
    """Make these the issue's present texts, of which that in `language` was changed; their number. An approval was given to other
    words, and ends."""
    text, versions = texts[MAIN], {tag: one for tag, one in texts.items() if tag != MAIN}
    number = int(issue["version"]) + (why != "made")
    if why == "autosaved":
        _fold(tx, issue["id"], actor, language, texts)
    tx.execute(
        _KEEP,
        id=issue["id"],
        source=text,
        versions=json.dumps(versions),
        subject=_subject(issue, text, made),
        problems=json.dumps(made.problems),
        number=number,
        hash=content_hash(newsletter, made.variants) if made.variants else hashlib.sha256(text.encode()).digest(),
        audience_hash=authoring.audience_hash(issue["audience"], newsletter["tracking_policy"]),
        newsletter=newsletter["id"],
    )
    # What was rendered last stays to be looked at while there are problems; nothing of it can be sent meanwhile.
    if made.variants:
        tx.execute("DELETE FROM variants WHERE issue_id = :id", id=issue["id"])
        insert_variants(tx, issue["id"], made.variants)
    remember(tx, issue["id"], number, text, versions, actor, why)
    _tell(tx, issue, actor, why, language)
    return number


def _subject(issue: Mapping[str, Any], text: str, made: _Made) -> str:
    """What the issue is called: the subject as rendered, else as written, else as it was."""
    if made.variants:
        first = made.variants[0].rendered
        return authoring.without_reader(first, first.subject)
    return str(front_matter.split(text).subject or issue["subject"])


def _tell(tx: Transaction, issue: Mapping[str, Any], actor: str, why: str, language: str) -> None:
    """Write down what a saving did beside changing words."""
    if why in _TOLD:
        audit(tx, actor, _TOLD[why], f"issue {issue['id']}", language=language)
    if issue["state"] == "approved":
        audit(tx, actor, "end the approval", f"issue {issue['id']}", why="the text was changed")


def remember(
    tx: Transaction, issue_id: int, number: int, text: str, versions: Mapping[str, str], actor: str, why: str
) -> None:
    """Add a version to the issue's history."""
    tx.execute(
        """INSERT INTO issue_versions (issue_id, number, source, versions, actor, why)
           VALUES (:issue, :number, :source, CAST(:versions AS jsonb), :actor, :why)
           ON CONFLICT (issue_id, number) DO UPDATE SET source = excluded.source, versions = excluded.versions, actor = excluded.actor, why = excluded.why""",
        issue=issue_id,
        number=number,
        source=text,
        versions=json.dumps(versions),
        actor=actor,
        why=why,
    )


def _fold(tx: Transaction, issue_id: int, actor: str, language: str, texts: Mapping[str, str]) -> None:
    """Take the last version away where it is this person's autosaving of a moment ago in the same language, and nobody else began
    from it: neither another person nor the same one in another language."""
    others = {tag: one for tag, one in texts.items() if tag not in (language, MAIN)}
    tx.execute(
        """DELETE FROM issue_versions v WHERE v.issue_id = :issue AND v.why = 'autosaved' AND v.actor = :actor
             AND v.at > clock_timestamp() - CAST(:span AS interval)
             AND v.number = (SELECT max(number) FROM issue_versions WHERE issue_id = :issue)
             AND NOT EXISTS (SELECT FROM issue_versions p WHERE p.issue_id = :issue AND p.number =
                 (SELECT max(number) FROM issue_versions WHERE issue_id = :issue AND number < v.number)
                 AND (p.versions - CAST(:language AS text) <> CAST(:others AS jsonb) OR (:language <> '' AND p.source <> :main)))
             AND NOT EXISTS (SELECT FROM issue_editors e WHERE e.issue_id = :issue AND 'operator ' || e.operator_id <> :actor
                 AND e.seen_at > clock_timestamp() - interval '1 hour')""",
        issue=issue_id,
        actor=actor,
        span=FOLDED,
        language=language,
        others=json.dumps(others),
        main=texts[MAIN],
    )


class _CollidesError(Exception):
    """The same place was changed twice."""


def _merged(tx: Transaction, issue: Mapping[str, Any], text: str, base: int | None, language: str) -> str | None:
    """Both people's text where somebody else saved this language since `base`; None where nobody did."""
    if base is None or base == issue["version"] or text == texts_of(issue)[language]:
        return None
    row = (
        tx.execute(
            "SELECT source, versions FROM issue_versions WHERE issue_id = :issue AND number = :base",
            issue=issue["id"],
            base=base,
        )
        .mappings()
        .one_or_none()
    )
    begun_from = None if row is None else texts_of(dict(row)).get(language)
    if begun_from == texts_of(issue)[language]:
        return None
    found = None if begun_from is None else merge(begun_from, text, texts_of(issue)[language])
    if found is None:
        raise _CollidesError
    return found


def _keep_aside(issue_id: int, text: str, actor: str, language: str) -> int:
    """Keep a text that could not be merged; its number, which is below nought: it never was the issue's present text."""
    with transaction() as tx:
        issue = _locked(tx, issue_id)
        number: int = tx.execute(
            "SELECT least(min(number), 0) - 1 FROM issue_versions WHERE issue_id = :id", id=issue_id
        ).scalar_one()
        texts = texts_of(issue) | {language: text}
        versions = {tag: one for tag, one in texts.items() if tag != MAIN}
        remember(tx, issue_id, number, texts[MAIN], versions, actor, "not-merged")
    return number


def set_audience(issue_id: int, audience: Mapping[str, Any], *, actor: str) -> None:
    """Say who of the newsletter's readers is meant; segments by their ids. An approval was given for others, and ends. Raises
    Conflict once the issue is on its way; Invalid for a segment that is no more; NotFound, Forbidden."""
    with transaction() as tx:
        issue = _found(tx, issue_id, actor, Permission.WRITE)
        _check_editable(_locked(tx, issue_id))
        _check_visible(tx, audience, actor)
        chosen = segments.expand(tx, audience, issue["newsletter_id"])
        authoring.put_audience(tx, issue_id, chosen, issue["tracking_policy"])
        # What a segment asks may name a person; its number does not.
        told = chosen | {key: [one["id"] for one in chosen[key]] for key in segments.KEYS if key in chosen}
        audit(tx, actor, "choose the audience", f"issue {issue_id}", **told)


def _check_visible(tx: Transaction, audience: Mapping[str, Any], actor: str) -> None:
    """The count of an audience must not tell of newsletters that are none of the actor's business."""
    others = set(audience.get("without_newsletters", ()))
    issues = [*audience.get("without_issues", ()), *([audience["got"]["issue"]] if audience.get("got") else ())]
    others.update(tx.execute("SELECT newsletter_id FROM issues WHERE id = ANY(:ids)", ids=issues).scalars())
    for newsletter in sorted(others):
        require(actor, Permission.SEE, newsletter)


def fields_of(issue_id: int, *, actor: str) -> frozenset[str]:
    """What an author may name beside the names and the language: attributes that the newsletter's readers have."""
    with transaction() as tx:
        return authoring.fields_of(tx, _found(tx, issue_id, actor, Permission.SEE)["newsletter_id"])


def pictures_of(tx: Transaction, issue_id: int) -> dict[str, Picture]:
    """Name → picture, of all that the issue's text may name."""
    rows = tx.execute(
        "SELECT name, media, width, height FROM issue_pictures WHERE issue_id = :id ORDER BY name", id=issue_id
    )
    return {row.name: Picture(f"{MEDIA_ORIGIN}/{row.media}", row.width, row.height) for row in rows}


def titled(source: Source) -> str:
    """A file's text, with the title that it was given outside it."""
    parts = front_matter.split(source.markdown)
    if parts.subject or source.draft is None or not source.draft.title:
        return source.markdown
    return front_matter.join(source.draft.title, parts.preheader, parts.body, parts.others)


def _check_editable(issue: Mapping[str, Any]) -> None:
    if issue["state"] not in EDITABLE:
        raise Conflict(f"The issue is {issue['state']}: its words are fixed now. Duplicate it to write on.")


def _found(tx: Transaction, issue_id: int, actor: str, permission: Permission) -> dict[str, Any]:
    row = tx.execute(_FIND, id=issue_id).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no issue {issue_id}.")
    require(actor, permission, row["newsletter_id"])
    return dict(row)


def _locked(tx: Transaction, issue_id: int) -> dict[str, Any]:
    return dict(tx.execute("SELECT * FROM issues WHERE id = :id FOR UPDATE", id=issue_id).mappings().one())
