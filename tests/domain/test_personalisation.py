"""Tags: what an author may write, and what a reader's value becomes."""

import html
import json
import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.personalisation import PLACEHOLDER, Context, Expression, Tag, TagError, placeholder, resolve, split

CONTEXTS: tuple[Context, ...] = ("html", "url", "text")


def _tag(context: Context, *filters: str, field: str = "first_name", default: str | None = None) -> Tag:
    return Tag(placeholder(0), field, filters, default, context)


def _one(text: str, *fields: str) -> Expression:
    pieces, errors = split(text, fields)
    assert not errors
    found = [piece for piece in pieces if isinstance(piece, Expression)]
    assert len(found) == 1
    return found[0]


def _error(text: str, *fields: str) -> TagError:
    _pieces, errors = split(text, fields)
    assert len(errors) == 1, errors
    return errors[0]


def test_a_tag_has_a_field_a_default_and_filters() -> None:
    assert _one('{{ first_name | default: "reader" | upcase }}') == Expression("first_name", ("upcase",), "READER")
    assert _one("{{first_name}}") == Expression("first_name")
    assert _one("{{ organisation|default:'you } there' }}", "organisation").default == "you } there"
    assert _one("{{ first_name | default: “dear reader” }}").default == "dear reader"


def test_a_default_is_changed_only_by_filters_that_follow_it() -> None:
    assert _one('{{ first_name | upcase | default: "friend" }}').default == "friend"


def test_literal_braces_are_written_with_a_backslash() -> None:
    pieces, errors = split(r"\{{ this is no tag \}}", ())
    assert not errors
    assert "".join(str(piece) for piece in pieces) == "{{ this is no tag }}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo {{ frist_name }}", "line 2: there is no field “frist_name”; did you mean first_name?"),
        ("{{ organisaton }}", "did you mean organisation?"),
        ("{{ first_name | upcas }}", "there is no filter “upcas”; did you mean upcase?"),
        ("{{ first_name", "not closed on the same line"),
        ("{{ first_name\n}} x", "not closed on the same line"),
        ("a {{ first_name {{ last_name }}", "a tag inside a tag"),
        ("x }} y", "never opened"),
        ("{{ }}", "an empty tag"),
        ("{{ first_name | default: reader }}", "quotation marks"),
        ('{{ first_name | default: "" }}', "default is empty"),
        ('{{ first_name | default: "a" | default: "b" }}', "two defaults"),
        ("{{ first_name upcase }}", "first_name upcase"),
        ("{{ first_name | upcase: 3 }}", "takes nothing"),
        ("{{ leave_url }}", "footer"),
        ("{{ config.SECRET_KEY }}", "no field"),
        ("{{ ''.__class__ }}", "no field"),
    ],
)
def test_a_wrong_tag_is_refused_with_its_line_and_what_to_do(text: str, expected: str) -> None:
    pieces, errors = split(text, ["organisation"])
    assert expected in str(errors[0])
    assert not any(isinstance(piece, Expression) and piece.field not in ("last_name",) for piece in pieces)


def test_an_unknown_field_names_the_allowed_ones() -> None:
    assert "first_name, last_name, language, city" in str(_error("{{ x }}", "city"))


def test_a_wall_of_braces_is_refused_quickly() -> None:
    _pieces, errors = split("{{ a " * 300_000, ())
    assert 0 < len(errors) <= 50


def test_a_value_is_escaped_for_where_it_lands() -> None:
    name = 'Zoë "<b>" & Co/1'
    assert resolve(_tag("html"), name) == "Zoë &quot;&lt;b&gt;&quot; &amp; Co/1"
    assert resolve(_tag("url"), name) == "Zo%C3%AB%20%22%3Cb%3E%22%20%26%20Co%2F1"
    assert resolve(_tag("text"), name) == name


def test_a_default_is_escaped_like_a_value() -> None:
    assert resolve(_tag("html", default="you & me"), None) == "you &amp; me"
    assert resolve(_tag("html", default="you"), "  ") == "you"


def test_a_reader_without_value_and_default_has_none() -> None:
    assert resolve(_tag("html"), None) is None
    assert resolve(_tag("html"), " \n\t") is None


def test_filters_change_the_value() -> None:
    assert resolve(_tag("text", "upcase"), "zoë") == "ZOË"
    assert resolve(_tag("text", "downcase", "capitalize"), "ANNE") == "Anne"
    assert resolve(_tag("text", "capitalize"), "mcDonald") == "McDonald"


def test_line_breaks_cannot_reach_a_subject() -> None:
    assert resolve(_tag("text"), "Ann\r\nBcc: all@example.org") == "Ann Bcc: all@example.org"


def test_a_name_cannot_turn_the_text_around() -> None:
    assert resolve(_tag("text"), "\u202egnp.exe\u2066") == "gnp.exe"


def test_a_value_spelled_like_a_placeholder_is_taken_apart() -> None:
    assert resolve(_tag("text"), "bsmbsmt1et2eX") == "X"
    assert resolve(_tag("text", "downcase"), "BSMT12E") is None


def test_the_leave_link_is_inserted_whole() -> None:
    url = "https://news.example/u/aBc-_1?x=1&y=bsmt1e"
    assert resolve(_tag("url", field="leave_url"), url) == url.replace("&", "&amp;")
    assert resolve(_tag("text", field="leave_url"), url) == url


def test_no_placeholder_begins_another() -> None:
    marks = [placeholder(number) for number in range(120)]
    assert not any(a != b and b.startswith(a) for a in marks for b in marks)


def test_a_tag_survives_the_database() -> None:
    tag = _tag("url", "upcase", default="é")
    assert Tag.from_json(json.loads(json.dumps(tag.to_json()))) == tag


@given(st.text(max_size=40), st.sampled_from(CONTEXTS), st.none() | st.text(max_size=10))
def test_no_value_breaks_out_of_its_place(raw: str, context: Context, default: str | None) -> None:
    value = resolve(_tag(context, "upcase", default=default), raw)
    if value is None:
        return
    assert value
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", value)
    assert not PLACEHOLDER.search(value)
    if context == "html":
        assert not re.search("[<>\"']", value)
        assert html.escape(html.unescape(value)) == value
    if context == "url":
        assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", value)
        unquote(value, errors="strict")


@given(st.text(alphabet="{}|\"'\\ abfirst_nme:\n“”", max_size=60))
def test_any_text_is_either_read_or_refused_without_losing_letters(text: str) -> None:
    pieces, errors = split(text, ())
    if not errors and not any(isinstance(piece, Expression) for piece in pieces):
        assert "".join(map(str, pieces)) == re.sub(r"\\(\{\{|\}\})", r"\1", text)
