"""Conditional blocks: what an author may write, what each reader's words are, and what is refused, with its line."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.conditions import MAX_BLOCKS, Condition, Template, parse

FIELDS = ("organisation", "office")


def words(text: str, **values: str) -> str:
    """The text for a reader with these values."""
    return resolved(parse(text, FIELDS), values)[0]


def resolved(template: Template, values: dict[str, str]) -> tuple[str, tuple[int, ...]]:
    assert template.errors == ()
    return template.put_together(template.kept(lambda condition: condition.holds(values.get(condition.field))))


def errors(text: str) -> str:
    return "\n".join(str(error) for error in parse(text, FIELDS).errors)


INLINE = "Dear {% if organisation %}friends at {{ organisation }}{% else %}friend{% endif %},"
OFFICES = '{% if office == "Shanghai" %}S{% elsif office %}other{% else %}none{% endif %}'


def test_a_condition_chooses_between_words() -> None:
    assert words(INLINE, organisation="Harbour") == "Dear friends at {{ organisation }},"
    assert words(INLINE) == "Dear friend,"
    assert words("{% if not organisation %}private{% endif %}") == "private"
    assert words('{% if language != "de" %}not German{% endif %}', language="de") == ""


@pytest.mark.parametrize("nothing", ["", "  ", "\u00a0\t", "\u3000", "\u200e", "\u2003\u2029"])
def test_an_empty_value_is_none(nothing: str) -> None:
    assert words(INLINE, organisation=nothing) == "Dear friend,"
    assert words('{% if office != "Shanghai" %}elsewhere{% endif %}', office=nothing) == "elsewhere"


def test_the_first_branch_that_applies_is_the_one() -> None:
    assert [words(OFFICES, office=office) for office in ("Shanghai", "Northmere", "")] == ["S", "other", "none"]


def test_comparisons_are_exact_but_for_languages() -> None:
    assert words(OFFICES, office="shanghai") == "other"
    assert words(OFFICES, office=" Shanghai ") == "S", "spaces round a value are nobody's intention"
    assert words('{% if language == "zh-Hans" %}中文{% endif %}', language="ZH_hans") == "中文"


def test_blocks_stand_inside_one_another() -> None:
    text = (
        "{% if organisation %}a{% if office %}b{% else %}c{% endif %}d{% else %}{% if office %}e{% endif %}f{% endif %}"
    )
    assert words(text, organisation="x", office="y") == "abd"
    assert words(text, organisation="x") == "acd"
    assert words(text, office="y") == "ef"
    assert words(text) == "f"


def test_lines_with_nothing_but_tags_are_no_lines_and_the_others_keep_their_numbers() -> None:
    text = "- a\n{% if organisation %}\n- b\n  {% endif %}\n- c\n"
    assert resolved(parse(text, FIELDS), {}) == ("- a\n- c\n", (1, 5, 6))
    assert resolved(parse(text, FIELDS), {"organisation": "x"}) == ("- a\n- b\n- c\n", (1, 3, 5, 6))


def test_a_backslash_makes_the_signs_literal() -> None:
    assert words(r"Write \{% if x \%} to ask.") == "Write {% if x %} to ask."
    assert words("100% {sure} and }% or { % too") == "100% {sure} and }% or { % too"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "one\n{% if organisaton %}x{% endif %}",
            "line 2: there is no field “organisaton”; did you mean organisation?",
        ),
        ("{% if today %}x{% endif %}", "there is no field “today”"),
        ("{% if %}x{% endif %}", "asks nothing"),
        ("a\n\n{% if office %}\nb", "line 3: {% if %} is never closed"),
        ("a\n{% endif %}", "line 2: {% endif %} belongs to no {% if … %}"),
        ("{% else %}", "belongs to no"),
        ("{% if office %}{% else %}{% else %}{% endif %}", "{% else %} after {% else %}"),
        ("{% if office %}{% else %}{% elsif office %}{% endif %}", "{% elsif %} after {% else %}"),
        ("{% if office %}{% endif office %}", "takes nothing after it"),
        ("{% for x in office %}", "there is no {% for %}; there are if, elsif, else, endif"),
        ("{% include 'x' %}", "there are if, elsif, else, endif"),
        ("{% if office %}{% elif language %}{% endif %}", "did you mean elsif?"),
        ("{% if office = 'x' %}{% endif %}", "one = compares nothing; write office =="),
        ("{% if office == x %}{% endif %}", "quotation marks"),
        ('{% if office == "" %}{% endif %}', "{% if not office %}"),
        ('{% if not office == "x" %}{% endif %}', "office != …"),
        ("{% if office and language %}{% endif %}", "“and” and “or” are not known"),
        ("{% if office | upcase %}{% endif %}", "no field"),
        ("{% if config.SECRET_KEY %}{% endif %}", "no field"),
        ("{% if office", "not closed on the same line"),
        ("{% if office\n%}", "not closed on the same line"),
        ("50 %} off", "never opened; write \\%}"),
        ('{% if office == "x %}', "check its quotation marks"),
        ("{% if office %}" * 4 + "{% endif %}" * 4, "more than 3 blocks inside one another"),
        ("{% if office %}x{% endif %}\n" * (MAX_BLOCKS + 1), f"more than {MAX_BLOCKS} conditional blocks"),
        ("{% %}", "there is no {%"),
        ("{%- if office %}{% endif %}", "there is no {% - %}"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_line_and_what_to_do(text: str, expected: str) -> None:
    assert expected in errors(text)


def test_a_wall_of_signs_is_refused_quickly() -> None:
    started = time.process_time()
    assert 0 < len(parse("{% if \n" * 100_000, ()).errors) <= 51
    assert 0 < len(parse("{% a " * 100_000, ()).errors) <= 51
    assert time.process_time() - started < 5


def test_each_condition_is_known_once_with_the_line_that_asks_it_first() -> None:
    template = parse(
        'a\n{% if office %}b{% endif %}\n{% if not office %}c{% elsif office == "x" %}d{% endif %}', FIELDS
    )
    assert template.conditions == {Condition("office"): 2, Condition("office", "x"): 3}


@given(st.text(alphabet="{%}\\ \n\"'ifendsl=!ofc", max_size=60))
def test_any_text_is_either_refused_or_loses_nothing_but_tags(text: str) -> None:
    template = parse(text, ["office"])
    if template.errors or template.conditions:
        return
    whole, lines = template.put_together(template.kept(lambda condition: True))
    assert whole == text.replace("\\{%", "{%").replace("\\%}", "%}")
    assert lines == tuple(range(1, text.count("\n") + 2))
