"""The statement that says who is meant by an issue: which variant each reader gets, with which values, and who is left out.

One scan with one snapshot, however many variants there are. Names and values from an issue travel as parameters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.db import Transaction
from service.domain.choosing import OTHER, Choice, cases_of, fallbacks
from service.domain.outcomes import Reason
from service.domain.personalisation import BLANK, DATE_BYTES, ISO_DATE, LEAVE_URL, READER_FIELDS, TODAY, Tag
from service.operations import newsletters, segments
from service.settings import TOKEN_LENGTH, current

READER_BYTES = 10_000
"""SendGrid's stricter limit on one personalization's substitutions."""

_TRACKED = {"agreed": "n.tracking = 'agreed'", "not-objected": "n.tracking <> 'objected'", "none": "false"}

# A snapshot of who is meant, with the raw values of the variant's tags and the worst-case bytes they take in the request.
# Materialised, because batches are cut from it: the cut must see exactly the rows that become deliveries.
_CANDIDATES = """
    CREATE TEMPORARY TABLE candidates ON COMMIT DROP AS
    SELECT s.id AS subscriber_id, n.id AS subscription_id, s.email_key, {variant} AS variant_id, {values} AS values, {bytes} AS bytes,
        ({tracked}) AS tracked, {send_at} AS send_at,
        CASE
            WHEN EXISTS (SELECT FROM suppressions p WHERE p.email_key = s.email_key AND p.lifted_at IS NULL) THEN '{suppressed}'
            WHEN w.needs_export_consent AND n.export_consent <> 'agreed' THEN '{no_export_consent}'
            WHEN n.expires_at <= clock_timestamp() THEN '{expired}'
            WHEN n.paused_until > clock_timestamp() THEN '{paused}'
            WHEN {had_it} THEN '{already_sent}'
            WHEN {missing} OR {bytes} > {reader_bytes} THEN '{render_error}'
        END AS excluded
    FROM {readers}
"""
_READERS = """subscriptions n JOIN subscribers s ON s.id = n.subscriber_id JOIN newsletters w ON w.id = n.newsletter_id {choice}
    WHERE n.newsletter_id = :newsletter AND n.state = 'active' {only}"""
# OFFSET keeps the planner from writing the whole choice out again wherever the variant is asked for.
_CHOICE = "CROSS JOIN LATERAL (SELECT {variant} AS variant_id OFFSET 0) v"
_IMPORTED = "AND EXISTS (SELECT FROM imported_rows r WHERE r.import_id = :import AND r.subscriber_id = n.subscriber_id)"
_GOT = """AND EXISTS (
    SELECT FROM deliveries g WHERE g.issue_id = :got AND g.subscriber_id = n.subscriber_id AND g.excluded IS NULL AND g.failed IS NULL
)"""
_GOT_AND_CLICKED = """AND EXISTS (
    SELECT FROM deliveries g JOIN events e ON e.issue_id = :got AND e.delivery_id = g.id AND e.type = 'clicked' AND e.url = :link
    WHERE g.issue_id = :got AND g.subscriber_id = n.subscriber_id
)"""
_IN_ANOTHER = """AND NOT EXISTS (
    SELECT FROM subscriptions o WHERE o.subscriber_id = n.subscriber_id AND o.newsletter_id = ANY(:without_newsletters) AND o.state = 'active'
)"""
_GOT_ANOTHER = """AND NOT EXISTS (
    SELECT FROM deliveries o WHERE o.issue_id = ANY(:without_issues) AND o.subscriber_id = n.subscriber_id AND o.excluded IS NULL AND o.failed IS NULL
)"""
# By the key, which outlives an erasure, and by the reader, who may have changed their address since.
_HAD_IT = """(EXISTS (
    SELECT FROM deliveries d WHERE d.issue_id = ANY(:same_content) AND d.email_key = s.email_key AND d.excluded IS NULL AND d.failed IS NULL
) OR EXISTS (
    SELECT FROM deliveries d WHERE d.issue_id = ANY(:same_content) AND d.subscriber_id = s.id AND d.excluded IS NULL AND d.failed IS NULL
))"""


@dataclass(frozen=True)
class FrozenVariant:
    """What the freeze needs of a variant."""

    id: int
    choice: Choice
    tags: tuple[Tag, ...]


def variants_of(tx: Transaction, issue_id: int) -> list[FrozenVariant]:
    """The variants of an issue, the one for readers of whom nothing is known first."""
    rows = tx.execute(
        "SELECT id, language, conditions, tags FROM variants WHERE issue_id = :issue ORDER BY position, id",
        issue=issue_id,
    )
    return [
        FrozenVariant(
            row.id, Choice(row.language, tuple(row.conditions)), tuple(Tag.from_json(tag) for tag in row.tags)
        )
        for row in rows
    ]


def audience(tx: Transaction, issue: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Over `n` and `s`, the condition that narrows a newsletter's active subscriptions to the readers meant, and its parameters."""
    chosen, conditions, parameters = issue["audience"], [], {}
    if (imported := chosen.get("import")) is not None:
        conditions.append(_IMPORTED)
        parameters["import"] = imported
    if got := chosen.get("got"):
        conditions.append(_GOT_AND_CLICKED if got.get("link") else _GOT)
        parameters |= {"got": got["issue"], **({"link": got["link"]} if got.get("link") else {})}
    for name, condition in (("without_newsletters", _IN_ANOTHER), ("without_issues", _GOT_ANOTHER)):
        if chosen.get(name):
            conditions.append(condition)
            parameters[name] = chosen[name]
    in_segments, named = segments.condition(tx, chosen, issue["newsletter_id"])
    return " ".join([*conditions, in_segments]), parameters | named


def same_content_of(tx: Transaction, issue: Mapping[str, Any]) -> list[int]:
    """Other issues of the newsletter with exactly this content: whoever has a delivery of one gets no other, unless a person
    asked for that."""
    if issue["audience"].get("again"):
        return []
    rows = tx.execute(
        "SELECT id FROM issues WHERE newsletter_id = :newsletter AND content_hash = :hash AND id <> :issue AND prepared_at IS NOT NULL",
        newsletter=issue["newsletter_id"],
        hash=issue["content_hash"],
        issue=issue["id"],
    )
    return list(rows.scalars())


class Candidates:
    """The readers of an issue as SQL over `s` (the subscriber), `n` (the subscription) and `w` (the newsletter)."""

    def __init__(self, tx: Transaction, issue: Mapping[str, Any]) -> None:
        self._issue = issue
        self.variants = variants_of(tx, issue["id"])
        self.fields = Fields(
            newsletters.zone_of(tx, issue["newsletter_id"])
            if issue["local_at"] is not None or _asks_for_today(self.variants)
            else "UTC"
        )
        only, narrowed = audience(tx, issue)
        self.are_chosen = bool(only.strip())
        """Not all of the newsletter's readers are meant."""
        self.parameters: dict[str, Any] = {"newsletter": issue["newsletter_id"], **narrowed}
        several = len(self.variants) > 1
        self.variant = "v.variant_id" if several else str(int(self.variants[0].id))
        choice = _CHOICE.format(variant=_choice(self.variants, self.fields)) if several else ""
        self.readers = _READERS.format(choice=choice, only=only)
        self.parameters |= self.fields.parameters

    def freeze(self, tx: Transaction, same_content: list[int]) -> None:
        """Write them down, with everything that the batches are cut from."""
        issue = self._issue
        statement = _CANDIDATES.format(
            variant=self.variant,
            values=self._for_each(self.fields.values),
            bytes=self._for_each(lambda tags: self.fields.bytes(tags, issue["marker"])),
            tracked=_TRACKED[issue["tracking_policy"]],
            send_at=self._send_at(issue["local_at"]),
            had_it=_HAD_IT if same_content else "false",
            missing=self._for_each(self.fields.missing),
            readers=self.readers,
            reader_bytes=READER_BYTES,
            **{reason.value: reason.value for reason in Reason},
        )
        named = {"same_content": same_content} if same_content else {}
        tx.execute(statement, {**self.parameters, **self.fields.parameters, **named})

    def _send_at(self, local: datetime | None) -> str:
        """When the reader's own clock shows that hour; by the newsletter's where theirs is not known."""
        if local is None:
            return "CAST(NULL AS timestamptz)"
        return f"CAST({self.fields.parameter(local.isoformat())} AS timestamp) AT TIME ZONE {self.fields.zone()}"

    def _for_each(self, expression: Callable[[tuple[Tag, ...]], str]) -> str:
        """What an expression is for the reader's own variant. Variants with the same tags share one, so that an issue whose
        variants differ in words alone costs no more than one without variants."""
        written: dict[str, list[int]] = {}
        for variant in self.variants:
            written.setdefault(expression(variant.tags), []).append(variant.id)
        if len(written) == 1:
            return f"({next(iter(written))})"
        cases = " ".join(f"WHEN {self.among(ids)} THEN {sql}" for sql, ids in written.items())
        return f"(CASE {cases} END)"

    def among(self, ids: Sequence[int]) -> str:
        """Whether the reader's variant is one of these."""
        if len(ids) == len(self.variants):
            return "true"
        return f"{self.variant} IN ({', '.join(str(int(one)) for one in ids)})"


class Fields:
    """Fields and tags as SQL over `s`, each name and value as a parameter. `zone`: the newsletter's, for readers without."""

    def __init__(self, zone: str) -> None:
        self.parameters: dict[str, Any] = {}
        self._names: dict[Any, str] = {}
        self._zone = zone

    def parameter(self, value: Any) -> str:
        """The value as a parameter; the same value is the same one."""
        key = (type(value), str(value))
        if key not in self._names:
            self._names[key] = f"given_{len(self._names)}"
            self.parameters[self._names[key]] = value
        return f":{self._names[key]}"

    def raw(self, field: str) -> str:
        """The value as it is stored; null or empty where there is none."""
        if field in READER_FIELDS:
            return f"s.{field}"
        return f"(s.attributes ->> CAST({self.parameter(field)} AS text))"

    def tidy(self, field: str) -> str:
        """The value as conditions compare it, as in `domain.conditions`."""
        bare = f"btrim(coalesce({self.raw(field)}, ''), CAST({self.parameter(BLANK)} AS text))"
        return f"replace(lower({bare}), '_', '-')" if field == "language" else bare

    def value(self, tag: Tag) -> str:
        """What is frozen of a tag; links are made at the claim, and null here."""
        if tag.field == LEAVE_URL:
            return "NULL"
        if tag.field == TODAY:
            return self._today()
        if tag.is_date:
            return f"substring({self.raw(tag.field)} FROM CAST({self.parameter(ISO_DATE)} AS text))"
        return self.raw(tag.field)

    def values(self, tags: tuple[Tag, ...]) -> str:
        """An array of the values in the order of the tags."""
        if all(tag.field == LEAVE_URL for tag in tags):
            return "NULL::text[]"
        return f"ARRAY[{', '.join(self.value(tag) for tag in tags)}]::text[]"

    def missing(self, tags: tuple[Tag, ...]) -> str:
        """Whether a value is missing that has no default."""
        asked = dict.fromkeys(self.lacks(tag) for tag in tags if must_have(tag))
        return " OR ".join(asked) or "false"

    def lacks(self, tag: Tag) -> str:
        """Whether the reader has no value for the tag; blanks are none, as they are to conditions."""
        return f"btrim(coalesce({self.value(tag)}, ''), CAST({self.parameter(BLANK)} AS text)) = ''"

    def bytes(self, tags: tuple[Tag, ...], marker: str) -> str:
        """The most bytes that a reader's substitutions take: markers, and values after escaping."""
        total = len(tags) * (len(marker) + 12)
        parts = []
        for tag in tags:
            if tag.field == LEAVE_URL:
                total += len(current().public_url) + len("/u/") + TOKEN_LENGTH
                continue
            # An ampersand grows to five bytes in HTML, a letter by three in a link, and some letters by three in upper case.
            growth = 3 * (1 if not tag.filters else 3) if tag.context == "url" else (6 if tag.context == "html" else 3)
            default = growth * len((tag.default or "").encode())
            if tag.is_date:
                total += max(growth * DATE_BYTES, default)
            else:
                parts.append(f"greatest({growth} * octet_length(coalesce({self.raw(tag.field)}, '')), {default})")
        return " + ".join([str(total), *parts])

    def zone(self) -> str:
        """The time zone of where the reader lives; where that is unknown, the newsletter's."""
        own = self.raw("time_zone")
        return f"(CASE WHEN {own} IN (SELECT name FROM pg_timezone_names) THEN {own} ELSE {self.parameter(self._zone)} END)"

    def _today(self) -> str:
        """The day of the freeze there."""
        return f"to_char(now() AT TIME ZONE {self.zone()}, 'YYYY-MM-DD')"


def must_have(tag: Tag) -> bool:
    """Whether who has no value for the tag can get no copy."""
    return tag.default is None and tag.field not in (LEAVE_URL, TODAY)


def _asks_for_today(variants: list[FrozenVariant]) -> bool:
    return any(tag.field == TODAY for variant in variants for tag in variant.tags)


def _choice(variants: list[FrozenVariant], fields: Fields) -> str:
    """The id of the reader's variant: first by language, then by the cases of the fields that this language's text asks about.
    Each field's case is a digit; together they are the place in an array of ids."""
    languages = list(dict.fromkeys(variant.choice.language for variant in variants))
    own = [_place([one for one in variants if one.choice.language == language], fields) for language in languages]
    if len(own) == 1:
        return own[0]
    cases = " ".join(f"WHEN {number} THEN {sql}" for number, sql in enumerate(own))
    return f"CASE {_version(languages, fields)} {cases} END"


def _version(languages: list[str], fields: Fields) -> str:
    tag = fields.tidy("language")
    rules = []
    for rule in fallbacks(languages):
        if rule.kind == "is":
            asked = f"{tag} = {fields.parameter(rule.value)}"
        elif rule.kind == "begins":
            asked = f"starts_with({tag}, {fields.parameter(f'{rule.value}-')})"
        else:
            asked = f"({tag} ~ '^(zh|cmn)-(.*-)?(hant|tw|hk|mo)(-|$)' AND {tag} !~ '-hans(-|$)')"
        rules.append(f"WHEN {asked} THEN {rule.number}")
    return f"(CASE {' '.join(rules)} ELSE 0 END)"


def _place(variants: list[FrozenVariant], fields: Fields) -> str:
    if not variants[0].choice.alternatives:
        return str(int(variants[0].id))
    cases = cases_of(variant.choice for variant in variants)
    digits, factor, places = [], 1, [{}]  # type: list[str], int, list[dict[str, str]]
    for field, known in cases.items():
        whens = " ".join(
            f"WHEN {fields.parameter(case.removeprefix('='))} THEN {number * factor}"
            for number, case in enumerate(known)
            if case != OTHER
        )
        other = known.index(OTHER) * factor
        digits.append(f"CASE {fields.tidy(field)} {whens} ELSE {other} END" if whens else str(other))
        places = [{**place, field: case} for case in known for place in places]
        factor *= len(known)
    by_case = {_key(case): one.id for one in variants for case in one.choice.alternatives}
    ids = [by_case[_key(place)] for place in places]
    return f"(CAST({fields.parameter(ids)} AS bigint[]))[1 + {' + '.join(f'({digit})' for digit in digits)}]"


def _key(case: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(case.items()))
