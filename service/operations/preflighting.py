"""Looks at an issue before it is sent: gathers what the rules need to know, runs them on every version, and says whether
something stops the send. Only what a person asks for uses the network: a closed network never stops or delays a send."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from service.clients.dns import Resolver, SystemResolver
from service.db import Transaction, transaction
from service.domain.personalisation import Tag
from service.errors import Conflict, Invalid, NotFound
from service.operations import authoring, newsletter_making
from service.operations.authoring import Source
from service.operations.authoring_variants import Looked, examine_all
from service.operations.missing import missing_values
from service.operations.preflight_facts import Outside, ask_outside
from service.operations.preflight_readers import SAMPLE, longest_values, of_readers
from service.operations.requests import MEDIA_ORIGIN
from service.rendering.newsletter import Picture, Rendered
from service.rendering.preflight import checking, said
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding, merged, ordered
from service.rendering.preflight.mail import Letterhead, Mail
from service.rendering.variants import Text
from service.rendering.web_version import put
from service.settings import TOKEN_LENGTH, current

_ISSUE = """
    SELECT i.id, i.newsletter_id, i.subject, i.source, i.versions, i.audience, i.sender_address, i.reply_to, i.tracking_policy, i.in_archive,
        w.name, w.sender_name, w.postal_address, w.language, w.design, w.brand_colour, w.logo, w.has_archive, w.subject_prefix
    FROM issues i JOIN newsletters w ON w.id = i.newsletter_id WHERE i.id = :issue
"""


@dataclass(frozen=True)
class Report:
    """What was found in one issue or file."""

    subject: str
    findings: tuple[Finding, ...]

    def count(self, severity: str) -> int:
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """What stops a send."""
        return tuple(finding for finding in self.findings if finding.severity == "blocks")


class Blocked(Conflict):
    """Preflight found what stops a send; `findings` says what and how to mend it."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        told = "; ".join(f"{finding.where}: {finding.text}" for finding in findings)
        super().__init__(f"Not sent. {told}. Mend it, or give the reason to send it all the same.")
        self.findings = findings


def check_file(
    source: Source,
    *,
    newsletter: str | None = None,
    fields: frozenset[str] = frozenset(),
    network: bool = True,
    resolver: Resolver | None = None,
) -> Report:
    """Look at what a team wrote, as an issue of this newsletter. Without one nothing is known of sender and readers, and no
    database is needed. Raises NotFound, Conflict."""
    facts, row = Facts(), None
    if newsletter is not None:
        newsletter_id = newsletter_making.find_newsletter(newsletter)
        with transaction() as tx:
            row = dict(tx.execute("SELECT * FROM newsletters WHERE id = :id", id=newsletter_id).mappings().one())
            fields |= authoring.fields_of(tx, newsletter_id)
    head = _letterhead(row)
    try:
        looked = authoring.examine_variants(source, head.masthead, fields=fields)
    except Invalid as error:
        return Report("", tuple(ordered(said.findings_of(error.problems, (), alone=True))))
    if row is None:
        facts = replace(facts, unasked=(("the sender and the readers", "no newsletter was named"),))
    else:
        with transaction() as tx:
            facts = of_readers(tx, row["id"], _needed(looked))
    heads = {one.name: _in_language(head, one.language) for one in looked}
    if row is None:
        looked = [_without_page(one) for one in looked]
    pages = [(one, one.examined.rendered) for one in looked]
    mails = [Mail.of(page, heads[one.name], one.markdown, facts.longest) for one, page in pages if page is not None]
    if mails:
        facts = ask_outside(facts, mails, Outside(network, resolver or SystemResolver()))
    found = {one.name: checking.check_text(one.examined, heads[one.name], one.markdown, facts) for one in looked}
    first = looked[0].examined.rendered
    subject = "" if first is None else authoring.without_reader(first, first.subject)
    return Report(subject, tuple(merged(found)))


def _needed(looked: list[Looked]) -> list[Tag]:
    """The tags of all variants, but for those whose value each reader of the variant has."""
    return [
        tag
        for one in looked
        if one.examined.rendered is not None
        for tag in one.examined.rendered.tags
        if tag.field not in one.known
    ]


def check_issue(issue_id: int, *, network: bool = True, resolver: Resolver | None = None) -> Report:
    """Look at an issue as it is frozen, in every variant. Raises NotFound."""
    row, facts, mails, fields = _gather(issue_id)
    facts = ask_outside(facts, list(mails.values()), Outside(network, resolver or SystemResolver()))
    told = _warnings(row, fields)
    found = {name: [*told.get(name, ()), *checking.check(mail, facts)] for name, mail in mails.items()}
    return Report(row["subject"], tuple(merged(found)))


def blocking(issue_id: int) -> tuple[Finding, ...]:
    """What stops the issue from being sent, by the rules that need no network; nothing of one that is on its way already.
    Raises NotFound."""
    with transaction() as tx:
        state = tx.execute("SELECT state FROM issues WHERE id = :id", id=issue_id).scalar_one_or_none()
    if state not in (None, "draft", "approved"):
        return ()
    _row, facts, mails, _fields = _gather(issue_id)
    found = merged({name: checking.check(mail, facts) for name, mail in mails.items()})
    return tuple(finding for finding in found if finding.severity == "blocks")


def _gather(issue_id: int) -> tuple[dict[str, Any], Facts, dict[str, Mail], frozenset[str]]:
    """The issue, what is known of its readers, its mail in every variant, and the attributes that readers have."""
    with transaction() as tx:
        row = tx.execute(_ISSUE, issue=issue_id).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no issue {issue_id}.")
        variants = _variants(tx, issue_id)
        tags = [tag for _language, rendered in variants.values() for tag in rendered.tags]
        longest = longest_values(tx, row["newsletter_id"], tags, audience=row["audience"])
        fields = authoring.fields_of(tx, row["newsletter_id"])
    facts = Facts(missing=tuple(missing_values(issue_id, sample=SAMPLE)), longest=longest)
    head = _letterhead(dict(row))
    web_version = row["has_archive"] and row["in_archive"]
    mails = {
        name: Mail.of(
            rendered if web_version else _without_web_version(rendered),
            _in_language(head, language),
            row["versions"].get(language, row["source"]),
            facts.longest,
        )
        for name, (language, rendered) in variants.items()
    }
    return dict(row), facts, mails, fields


def _variants(tx: Transaction, issue_id: int) -> dict[str, tuple[str, Rendered]]:
    """Name → language and content, the newsletter's own first."""
    rows = tx.execute(
        "SELECT name, language, subject, preheader, html, text, tags FROM variants WHERE issue_id = :id ORDER BY position",
        id=issue_id,
    )
    return {
        row.name: (
            row.language,
            Rendered(row.subject, row.preheader, row.html, row.text, tuple(Tag.from_json(tag) for tag in row.tags), ()),
        )
        for row in rows
    }


def _in_language(head: Letterhead, language: str) -> Letterhead:
    return replace(head, masthead=replace(head.masthead, language=language))


def _without_web_version(rendered: Rendered) -> Rendered:
    return replace(rendered, html=put(rendered.html, None), text=put(rendered.text, None))


def _without_page(one: Looked) -> Looked:
    rendered = one.examined.rendered
    if rendered is None:
        return one
    return replace(one, examined=replace(one.examined, rendered=_without_web_version(rendered)))


def _letterhead(row: Mapping[str, Any] | None) -> Letterhead:
    leave_url = f"{current().public_url}/u/{'x' * TOKEN_LENGTH}"
    if row is None:
        return Letterhead(authoring.NO_NEWSLETTER, leave_url, tracked=True)
    return Letterhead(
        authoring.masthead_of(row),
        leave_url,
        row["sender_address"],
        row["reply_to"],
        tracked=row["tracking_policy"] != "none",
    )


def _warnings(row: Mapping[str, Any], fields: frozenset[str]) -> dict[str, list[Finding]]:
    """What rendering warned of when the issue was made, by variant. Its pictures are stored, and their files may be gone."""

    def picture(_language: str, _name: str) -> Picture:
        return Picture(f"{MEDIA_ORIGIN}/picture.png", 1, 1)

    texts = {row["language"]: Text(row["source"], row["subject"])}
    texts |= {language: Text(markdown) for language, markdown in row["versions"].items()}
    try:
        looked = examine_all(texts, authoring.masthead_of(row), fields=fields, picture=picture)
    except Invalid:
        return {}
    return {one.name: said.findings_of((), one.examined.warnings, alone=False) for one in looked}
