"""Renders one version of an issue: an author's Markdown in, everything that is frozen and sent out.

What differs between readers stays a placeholder. Refuses, with every problem at once, whatever could not be sent well.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from lxml.html import HtmlElement

from service.domain.personalisation import SYSTEM_FIELDS, TODAY, Tag
from service.rendering import (
    blocks,
    colour,
    commonmark,
    contents,
    design,
    finishing,
    headline,
    inlining,
    outlook,
    textpart,
    web_version,
)
from service.rendering import pictures as picturing
from service.rendering.design import Masthead
from service.rendering.headline import Headline
from service.rendering.inlining import InliningError
from service.rendering.inspecting import Inspector
from service.rendering.phrases import phrases
from service.rendering.pictures import Picture
from service.rendering.placing import Placements
from service.rendering.problems import Findings, RenderError
from service.rendering.sanitising import sanitise
from service.rendering.source import Entry, read

__all__ = ["Examined", "Masthead", "Picture", "RenderError", "Rendered", "examine", "local_pictures", "render"]

KB = 1024
MAX_HTML = 102 * KB
LARGE_HTML = 90 * KB


@dataclass(frozen=True)
class Rendered:
    """What is frozen. Placeholder i in subject, preheader, HTML and text stands for `tags[i]`."""

    subject: str
    preheader: str
    html: str
    text: str
    tags: tuple[Tag, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Examined:
    """All that is wrong with a text, and what would come of it: None where reading on made no sense. Never to be sent."""

    rendered: Rendered | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Draft:
    """An issue between Markdown and design: safe trees, tags still marked. `title` is None where the text has its own."""

    head: Headline
    title: HtmlElement | None
    body: HtmlElement
    notes: HtmlElement
    jumps: list[tuple[str, int]]
    notes_on_web: bool


def local_pictures(markdown: str) -> list[str]:
    """Relative paths of the pictures that the Markdown needs, in order, each once; never one that leads out of its folder.

    Raises RenderError for what is no text at all.
    """
    source = read(markdown, Findings())
    marked, _errors = Placements(()).mark(source.body)
    parsed = commonmark.parse(commonmark.parser(), marked)
    found = (picturing.local_path(token) for token in picturing.images([*parsed.body, *parsed.notes]))
    return list(dict.fromkeys(path for path in found if path))


def render(
    markdown: str,
    masthead: Masthead,
    *,
    subject: str | None = None,
    fields: Iterable[str] = (),
    pictures: Mapping[str, Picture] = MappingProxyType({}),
    lines: Sequence[int] = (),
    known: Iterable[str] = (),
) -> Rendered:
    """Render one version of an issue. The same arguments give the same bytes.

    `subject` comes before the front matter's, and that before the first heading. `fields` are the attributes that tags
    may name beside first_name, last_name and language. `pictures` has an entry for each of `local_pictures`.
    `lines` are the author's own numbers, where conditions took lines out; `known` are fields that each of its readers has.
    Raises RenderError with all problems.
    """
    return _render(markdown, masthead, Findings(lines), subject=subject, fields=fields, pictures=pictures, known=known)


def examine(
    markdown: str,
    masthead: Masthead,
    *,
    subject: str | None = None,
    fields: Iterable[str] = (),
    pictures: Mapping[str, Picture] = MappingProxyType({}),
    lines: Sequence[int] = (),
    known: Iterable[str] = (),
) -> Examined:
    """Render as `render` does, but go on behind problems, so that all of them and what else can be checked are found at once."""
    findings = Findings(lines, lenient=True)
    design.check(masthead, findings)
    if not colour.HEX.fullmatch(masthead.brand_colour):
        masthead = replace(masthead, brand_colour=Masthead.brand_colour)
    try:
        rendered = _render(markdown, masthead, findings, subject=subject, fields=fields, pictures=pictures, known=known)
    except RenderError as error:
        return Examined(None, tuple(dict.fromkeys((*findings.problems, *error.problems))), findings.warnings)
    return Examined(rendered, findings.problems, findings.warnings)


def _render(
    markdown: str,
    masthead: Masthead,
    findings: Findings,
    *,
    subject: str | None,
    fields: Iterable[str],
    pictures: Mapping[str, Picture],
    known: Iterable[str],
) -> Rendered:
    placements = Placements(fields)
    design.check(masthead, findings)
    draft = _read(markdown, subject, Inspector(pictures, findings), placements, masthead)
    text = textpart.compose(masthead, title=draft.title, body=draft.body, notes=draft.notes, placements=placements)
    page = _page(masthead, draft, placements, findings)
    _check_size(page, findings)
    inlined = inlining.inline_styles(page)
    _check_size(inlined, findings)
    if web_version.keeps_notes(inlined):
        raise InliningError("the design keeps notes in the mail that belong to the web version")
    rendered_subject = f"{masthead.subject_prefix} {placements.place(draft.head.subject, 'text')}".lstrip()
    preheader = placements.place(draft.head.preheader, "text")
    _warn_of_missing_defaults(placements.tags, {*SYSTEM_FIELDS, TODAY, *known}, findings)
    return Rendered(rendered_subject, preheader, inlined, text, placements.tags, findings.warnings)


def _read(
    markdown: str, subject: str | None, inspector: Inspector, placements: Placements, masthead: Masthead
) -> _Draft:
    findings = inspector.findings
    source = read(markdown, findings)
    # Empty lines for the front matter keep every line's number what the author sees.
    marked, errors = placements.mark("\n" * (source.first_line - 1) + source.body)
    for error in errors:
        findings.problem(error.advice, line=error.line)
    md = commonmark.parser()
    parsed = commonmark.parse(md, marked)
    inspector.inspect(parsed)
    head = headline.read(source.entries, parsed.first_heading, placements, subject, findings)
    body, notes = blocks.build(md, parsed.body, masthead.language), sanitise(commonmark.html_of(md, parsed.notes))
    notes_on_web = _notes_on_web(source.entries.get("notes"), masthead, findings)
    if not body.text_content().strip() and body.find(".//img") is None:
        findings.problem("there is nothing to send; write some text below the front matter and the heading")
    findings.raise_if_any()
    title = None
    if parsed.title is not None:
        title = sanitise(commonmark.inline_html_of(md, parsed.title))
    elif parsed.first_heading is None:
        title = sanitise(html.escape(head.subject))
    others = [notes] if title is None else [title, notes]
    contents.fill(body, others, phrases(masthead.language).contents, findings)
    findings.raise_if_any()
    return _Draft(head, title, body, notes, inspector.jumps, notes_on_web and len(notes) > 0)


def _notes_on_web(entry: Entry | None, masthead: Masthead, findings: Findings) -> bool:
    """Whether the front matter sends notes to the web version, which the newsletter must then have."""
    if entry is None or entry.value == "mail":
        return False
    if entry.value != "web":
        findings.problem(f"notes cannot be “{entry.value[:40]}”; write notes: mail or notes: web", line=entry.line)
    elif not masthead.has_archive:
        findings.problem(
            "notes: web needs a web version, and this newsletter has no archive; open its archive, or take the line out",
            line=entry.line,
        )
    return entry.value == "web"


def _page(masthead: Masthead, draft: _Draft, placements: Placements, findings: Findings) -> str:
    trees = [tree for tree in (draft.title, draft.body, draft.notes) if tree is not None]
    finishing.finish(trees, draft.jumps, placements, masthead.language, findings, notes_on_web=draft.notes_on_web)
    findings.raise_if_any()
    content = design.Content(
        subject=placements.place(html.escape(draft.head.subject), "html"),
        preheader=placements.place(html.escape(draft.head.preheader), "html"),
        title="" if draft.title is None else finishing.inner_html(draft.title),
        body=outlook.dressed_html(draft.body),
        notes=finishing.inner_html(draft.notes) + (web_version.NOTES_END if draft.notes_on_web else ""),
        leave_url=placements.leave_url("url"),
    )
    return design.pour(masthead, content)


def _check_size(page: str, findings: Findings) -> None:
    """Gmail cuts a mail at about 102 KB, and with it the leave link. Tracked links make it grow after us."""
    size = len(web_version.put(page, web_version.ADDRESS).encode())
    if size > MAX_HTML:
        findings.problem(
            f"the mail has {size / KB:.0f} KB of HTML and Gmail cuts it at 102 KB, leave link and all; shorten the text"
        )
        findings.raise_if_any()
    elif size > LARGE_HTML:
        findings.warning(
            f"the mail has {size / KB:.0f} KB of HTML; Gmail cuts it at 102 KB, and tracked links are longer"
        )


def _warn_of_missing_defaults(tags: tuple[Tag, ...], known: set[str], findings: Findings) -> None:
    for tag in tags:
        if tag.default is None and (tag.field not in known or (tag.is_date and tag.field != TODAY)):
            findings.warning(
                f"{{{{ {tag.field} }}}} has no default: readers without one get no copy; write"
                f' {{{{ {tag.field} | default: "…" }}}} to reach them too'
            )
