"""Segments as SQL over `s` (the subscriber) and `n` (their subscription to the newsletter): the one compiler behind every count,
list and sending. Whatever a person typed travels as a parameter; column names come from here alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.domain.personalisation import BLANK, ISO_DATE, READER_FIELDS
from service.domain.segments import Blocks, Condition, values

_TEXTS = {
    "is": "{text} = lower({value})",
    "is_not": "{text} <> lower({value})",
    "one_of": "{text} = ANY({values})",
    "contains": "strpos({text}, lower({value})) > 0",
    "lacks": "strpos({text}, lower({value})) = 0",
    "begins": "starts_with({text}, lower({value}))",
    "known": "{text} <> ''",
    "unknown": "{text} = ''",
    # CASE keeps what is no number, and what is no day, from being taken for one.
    "above": "CASE WHEN {text} ~ '^-?[0-9]{{1,15}}([.][0-9]{{1,6}})?$' THEN CAST({text} AS numeric) > CAST({value} AS numeric) ELSE false END",
    "below": "CASE WHEN {text} ~ '^-?[0-9]{{1,15}}([.][0-9]{{1,6}})?$' THEN CAST({text} AS numeric) < CAST({value} AS numeric) ELSE false END",
    "since": "coalesce(substring({text} FROM CAST({iso} AS text)) >= {value}, false)",
    "before": "coalesce(substring({text} FROM CAST({iso} AS text)) < {value}, false)",
}
_DOMAIN = "split_part(s.normalised_address, '@', 2)"
_MOMENTS = {
    "within": "{column} > now() - make_interval(days => CAST({value} AS int))",
    "longer": "{column} <= now() - make_interval(days => CAST({value} AS int))",
    # A day begins where the newsletter is at home.
    "since": "{column} >= CAST({value} AS timestamp) AT TIME ZONE {zone}",
    "before": "{column} < CAST({value} AS timestamp) AT TIME ZONE {zone}",
}
# Sets that stand for themselves: read once for all readers, not once for each.
_TAGGED = "s.id IN (SELECT t.subscriber_id FROM subscriber_tags t WHERE t.tag_id = {value})"
_SUBSCRIBED = (
    "s.id IN (SELECT o.subscriber_id FROM subscriptions o WHERE o.newsletter_id = {value} AND o.state = '{state}')"
)
_IMPORTED = "s.id IN (SELECT r.subscriber_id FROM imported_rows r WHERE r.import_id = {value})"
_METHOD = """s.email_key IN (SELECT l.email_key FROM (
    SELECT DISTINCT ON (c.email_key) c.email_key, c.method FROM consent_records c
    WHERE c.newsletter_id = {newsletter} AND c.purpose = 'newsletter' AND c.action = 'given' ORDER BY c.email_key, c.id DESC
) l WHERE l.method = {value})"""
_COPIES = "s.id IN (SELECT d.subscriber_id FROM deliveries d WHERE d.issue_id = {issues} AND d.excluded IS NULL AND d.failed IS NULL AND d.subscriber_id IS NOT NULL{and_that})"
# Of whom nothing is recorded, nobody can say that they did nothing.
_RECORDED = " AND d.batch_id IN (SELECT b.id FROM batches b JOIN cohorts h ON h.id = b.cohort_id WHERE b.issue_id = d.issue_id AND h.tracked)"
_RECENT = "ANY(ARRAY(SELECT i.id FROM issues i WHERE i.newsletter_id = {newsletter} AND i.prepared_at > now() - make_interval(days => CAST({value} AS int))))"
# Opening counts on the day of the opening, not of the issue; issues older than two years are not kept by reader.
_EVER = "ANY(ARRAY(SELECT i.id FROM issues i WHERE i.newsletter_id = {newsletter} AND i.prepared_at IS NOT NULL))"
_DID = " AND greatest(d.opened_at, d.clicked_at) > now() - make_interval(days => CAST({value} AS int))"
_WHAT = {"got": "", "opened": " AND d.opened_at IS NOT NULL", "clicked": " AND d.clicked_at IS NOT NULL"}


class Compiled:
    """Segments as one condition. `sql` names what `parameters` holds; `prefix` keeps them apart from a statement's own."""

    def __init__(self, newsletter_id: int, zone: str, prefix: str = "segment") -> None:
        self.parameters: dict[str, Any] = {}
        self._prefix = prefix
        self._newsletter = self._value(newsletter_id)
        self._zone = zone

    def sql(self, blocks: Blocks) -> str:
        """Whether a reader is in the segment: never null."""
        return " AND ".join(f"({' OR '.join(f'({self._condition(one)})' for one in block)})" for block in blocks)

    def any_of(self, several: Sequence[Blocks]) -> str:
        """Whether a reader is in at least one of the segments."""
        return f"({' OR '.join(f'({self.sql(blocks)})' for blocks in several)})"

    def _value(self, value: object) -> str:
        name = f"{self._prefix}_{len(self.parameters)}"
        self.parameters[name] = value
        kinds = {int: "bigint", str: "text", list: "text[]"}
        return f"CAST(:{name} AS {kinds[type(value)]})"

    def _condition(self, one: Condition) -> str:
        if one.what in (*READER_FIELDS, "attribute"):
            return self._text(one)
        if one.what == "domain":
            wanted = values(one.value.lower()) if one.how == "one_of" else [one.value.lower().lstrip("@")]
            return f"{'NOT ' if one.how == 'is_not' else ''}({_DOMAIN} = ANY({self._value(wanted)}))"
        if one.what == "joined":
            return _MOMENTS[one.how].format(
                column="n.created_at", value=self._value(one.value), zone=self._value(self._zone)
            )
        if one.what == "tracking":
            return f"n.tracking {'=' if one.how == 'is' else '<>'} {self._value(one.value)}"
        if one.what == "issue":
            return self._issue(one)
        if one.what in ("active", "sent"):
            return self._lately(one)
        return self._set(one)

    def _text(self, one: Condition) -> str:
        raw = f"s.attributes ->> {self._value(one.name)}" if one.what == "attribute" else f"s.{one.what}"
        text = f"lower(btrim(coalesce({raw}, ''), {self._value(BLANK)}))"
        value = one.value
        if one.what == "language":
            text, value = f"replace({text}, '_', '-')", value.replace("_", "-")
        wanted: Mapping[str, str] = {
            "value": self._value(value) if "{value}" in _TEXTS[one.how] else "",
            "values": self._value([each.lower() for each in values(value)]) if one.how == "one_of" else "",
            "iso": self._value(ISO_DATE) if "{iso}" in _TEXTS[one.how] else "",
        }
        return _TEXTS[one.how].format(text=text, **wanted)

    def _set(self, one: Condition) -> str:
        if one.what == "method":
            found = _METHOD.format(newsletter=self._newsletter, value=self._value(one.value))
        elif one.what == "newsletter":
            state = "unsubscribed" if one.how == "left" else "active"
            found = _SUBSCRIBED.format(value=self._value(int(one.value)), state=state)
        else:
            found = {"tag": _TAGGED, "import": _IMPORTED}[one.what].format(value=self._value(int(one.value)))
        return f"NOT ({found})" if one.how in ("is_not", "not") else found

    def _issue(self, one: Condition) -> str:
        issue = self._value(int(one.value))
        did = _COPIES.format(issues=issue, and_that=_WHAT[one.how.removeprefix("not_")])
        if not one.how.startswith("not_"):
            return did
        if one.how == "not_got":
            return f"NOT ({did})"
        return f"{_COPIES.format(issues=issue, and_that=_RECORDED)} AND NOT ({did})"

    def _lately(self, one: Condition) -> str:
        value = self._value(one.value)
        recent = _RECENT.format(newsletter=self._newsletter, value=value)
        got = _COPIES.format(issues=recent, and_that="")
        if one.what == "sent":
            return got if one.how == "within" else f"NOT ({got})"
        did = _COPIES.format(issues=_EVER.format(newsletter=self._newsletter), and_that=_DID.format(value=value))
        if one.how == "within":
            return did
        return f"{_COPIES.format(issues=recent, and_that=_RECORDED)} AND NOT ({did})"
