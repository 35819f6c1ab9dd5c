"""Variants: as many as there are different texts, no more than an issue may have, each with the author's own line numbers."""

import sys
from types import FrameType
from typing import Any

import pytest
from premailer import Premailer

from service.domain.choosing import Choice, choose
from service.errors import Invalid
from service.operations.authoring_variants import Variant, all_warnings, content_hash, render_all
from service.rendering.newsletter import Picture, RenderError, render
from service.rendering.variants import LARGEST, Text, Unrendered, variants_of
from tests.rendering.rendered import MASTHEAD

FIELDS = ("organisation", "office", "city", "role", "size", "plan")
TWO = "# News\n\nHello.\n\n{% if organisation %}\nFor {{ organisation }}.\n{% else %}\nFor you.\n{% endif %}\n"
NEWSLETTER = {"sender_name": "n", "sender_address": "n@n.example", "reply_to": None}


def made(markdown: str, subject: str | None = None, **versions: str) -> list[Unrendered]:
    others = {language.replace("_", "-"): Text(text) for language, text in versions.items()}
    return variants_of({"en": Text(markdown, subject), **others}, FIELDS)


def refused(markdown: str, **versions: str) -> str:
    with pytest.raises(RenderError) as error:
        made(markdown, **versions)
    return "\n".join(error.value.problems)


def variants(texts: dict[str, str], fields: tuple[str, ...] = FIELDS) -> list[Variant]:
    def picture(_language: str, name: str) -> Picture:
        raise Invalid(f"The picture {name} is nowhere.")

    given = {language: Text(text) for language, text in texts.items()}
    return render_all(given, MASTHEAD, fields=frozenset(fields), picture=picture)


def test_a_text_without_conditions_is_one_variant() -> None:
    (one,) = made("# News\n\nHello.\n")
    assert (one.name, one.alternatives, one.plain) == ("en", (), True)


def test_the_plain_variant_comes_first_and_is_what_nobody_in_particular_gets() -> None:
    plain, other = made(TWO)
    assert (plain.name, plain.plain, other.name, other.plain) == ("en", True, "en/organisation", False)
    assert "For you." in plain.markdown
    assert "For {{ organisation }}." in other.markdown


def test_what_comes_to_the_same_words_is_one_variant() -> None:
    nested = "{% if organisation %}{% if office %}a{% else %}b{% endif %}{% endif %}x"
    assert [one.name for one in made(nested)] == ["en", "en/organisation", "en/organisation+office"]
    assert len(made("{% if office %}same{% else %}same{% endif %}")) == 1
    assert made("{% if office %}same{% else %}same{% endif %}")[0].alternatives == ()


def test_a_field_never_has_two_values_at_once() -> None:
    offices = "".join(f'{{% if office == "{name}" %}}{name}{{% endif %}}\n' for name in "ABCDEFGHIJ")
    assert len(made(offices)) == 11


def test_nobody_of_another_versions_language_is_thought_of() -> None:
    asks = 'x {% if language == "de" %}German{% endif %} {% if language == "fr" %}French{% endif %}'
    assert [one.name for one in made(asks)] == ["en", "en/language=de", "en/language=fr"]
    assert [one.name for one in made(asks, de="y")] == ["en", "en/language=fr", "de"]


def test_conditions_may_stand_in_the_front_matter_and_in_a_subject_given() -> None:
    text = "---\nsubject: News{% if organisation %} for {{ organisation }}{% endif %}\n---\n\nHello.\n"
    assert [one.markdown.split("\n")[1] for one in made(text)] == [
        "subject: News",
        "subject: News for {{ organisation }}",
    ]
    assert [one.subject for one in made("# x\n\ny", "News{% if office %}!{% endif %}")] == ["News", "News!"]


def test_as_many_as_an_issue_may_have_and_one_more() -> None:
    five = "".join(f"{{% if {field} %}}{field}{{% endif %}}\n" for field in FIELDS[:5])
    assert len(made(five)) == LARGEST == 32
    said = refused(five + "{% if language %}x{% endif %}")
    assert "make 64 variants of the text; an issue may have 32" in said
    assert "organisation (line 1), office (line 2)" in said
    assert "ask them inside one another" in said
    assert "33 variants" in refused(five, de="Hallo.")


def test_the_bound_holds_over_all_languages_and_before_anything_is_put_together() -> None:
    three = "".join(f"{{% if {field} %}}{field}{{% endif %}}\n" for field in FIELDS[:3])
    assert "40 variants" in refused(three, de=three, fr=three, zh_Hans=three, es=three)
    many = "".join(f'{{% if {f} == "{n}" %}}{f}{n}{{% endif %}}' for f in FIELDS for n in range(30))
    assert "millions of variants" in refused(many)


def test_the_same_reader_gets_the_words_that_the_conditions_say() -> None:
    text = 'a{% if office == "X" %}b{% elsif office %}c{% endif %}{% if not city %}d{% endif %}'
    found = made(text, de="D{% if office %}E{% endif %}")
    choices = [Choice(one.language, one.alternatives) for one in found]
    readers: list[tuple[dict[str, str | None], str]] = [
        ({}, "ad"),
        ({"office": "X"}, "abd"),
        ({"office": "Y", "city": "Z"}, "ac"),
        ({"office": " ", "city": "Z"}, "a"),
        ({"office": "X", "language": "de-CH"}, "DE"),
        ({"language": "de"}, "D"),
    ]
    assert [found[choose(choices, reader)].markdown for reader, _ in readers] == [words for _, words in readers]


def test_findings_name_the_authors_own_lines() -> None:
    text = "# News\n\n{% if office %}\nA paragraph.\n\n{% endif %}\n- a\n- [b](http:x y)\n\n{{ offce }}\n"
    with pytest.raises(Invalid) as error:
        variants({"en": text})
    assert error.value.problems[0].startswith("line 10: there is no field “offce”; did you mean office?")
    assert len(error.value.problems) == 1, "said once, not once for each variant"


def test_what_is_wrong_in_one_variant_alone_says_which() -> None:
    with pytest.raises(Invalid) as error:
        variants(
            {"en": "# News\n\nHello.\n{% if office %}\n[x](#nowhere)\n{% endif %}\n", "de": "# Neu\n\n![x](a.png)\n"}
        )
    first, second = error.value.problems
    assert first.startswith("en: line 5: #nowhere is no place")
    assert first.endswith("(in en/office)")
    assert second == "de: The picture a.png is nowhere."


def test_a_list_goes_on_over_a_condition() -> None:
    both = variants({"en": "# News\n\n- a\n{% if office %}\n- b\n{% endif %}\n- c\n"})
    for one, number in zip(both, (2, 3), strict=True):
        assert one.rendered.html.count("<li") == number
        assert one.rendered.html.count("<ul") == 1
        assert "<p" not in one.rendered.html.split("<ul")[1].split("</ul>")[0], "a tight list stays one"


def test_each_version_speaks_its_own_language() -> None:
    english, german = variants({"en": "# News\n\nHello.\n", "de": "# Neues\n\nGuten Tag.\n"})
    assert (english.rendered.subject, german.rendered.subject) == ("News", "Neues")
    assert 'lang="de"' in german.rendered.html
    assert "Diesen Newsletter abbestellen" in german.rendered.html
    assert "Leave this newsletter" in english.rendered.text


def test_warnings_about_all_variants_are_said_once_and_others_with_their_variant() -> None:
    said = all_warnings(variants({"en": TWO.replace("{{ organisation }}", "{{ organisation }}, {{ first_name }}")}))
    assert [one for one in said if "preheader" in one and "(in" not in one]
    assert [one for one in said if "{{ first_name }} has no default" in one and one.endswith("(in en/organisation)")]


def test_nobody_is_warned_of_a_value_that_the_condition_has_asked_for() -> None:
    text = (
        "{% if organisation %}{{ organisation }}{% endif %} {{ today }}"
        ' {% if office == "X" %}{{ office }}{% endif %} {% if not city %}{{ city }}{% endif %}'
        ' {% if role %}{{ role | date: "long" }}{% endif %}'
    )
    said = "\n".join(all_warnings(variants({"en": f"# x\n\n{text}\n"})))
    assert "{{ organisation }}" not in said
    assert "{{ today }}" not in said
    assert "{{ office }}" not in said
    assert "{{ city }} has no default" in said
    assert "{{ role }} has no default" in said, "it may be no day"


def test_the_hash_of_one_variant_is_what_it_was_and_several_have_one_that_says_who_gets_which() -> None:
    one = variants({"en": "# News\n\nHello.\n"})
    assert content_hash(NEWSLETTER, one) == content_hash(NEWSLETTER, variants({"en": "# News\n\nHello.\n"}))
    two = variants({"en": TWO})
    other_way = variants({"en": TWO.replace("if organisation", "if not organisation").replace("For you", "For Y")})
    assert len({content_hash(NEWSLETTER, found) for found in (one, two, other_way)}) == 3
    swapped = variants({"en": TWO.replace("if organisation", "if office")})
    assert content_hash(NEWSLETTER, swapped) != content_hash(NEWSLETTER, two), "the same words, but for others"


def test_styles_are_inlined_once_for_each_variant() -> None:
    counted = [0]

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        counted[0] += event == "call" and frame.f_code is Premailer.transform.__code__

    sys.setprofile(count)
    try:
        found = variants({"en": TWO, "de": '# Neues\n\nHallo {{ first_name | default: "Sie" }}.\n'})
    finally:
        sys.setprofile(None)
    assert counted[0] == len(found) == 3


def test_literal_signs_and_values_reach_the_mail_as_they_are() -> None:
    (one,) = variants({"en": "# News\n\nWrite \\{% if x \\%} and \\{{ 7 * 7 \\}}.\n"})
    assert "Write {% if x %} and {{ 7 * 7 }}." in one.rendered.html
    assert "Write {% if x %} and {{ 7 * 7 }}." in one.rendered.text


def test_the_same_text_rendered_alone_is_the_same_bytes() -> None:
    (one,) = variants({"en": "# News\n\nHello {{ first_name }}.\n"})
    assert one.rendered == render("# News\n\nHello {{ first_name }}.\n", MASTHEAD)
