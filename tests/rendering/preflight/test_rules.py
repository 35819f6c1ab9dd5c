"""Preflight's rules one by one, where one bad issue does not say enough; and what they must leave in peace."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.rendering.newsletter import Masthead, examine
from service.rendering.preflight import caniemail, checking, size
from service.rendering.preflight.facts import Domain, Facts, Missing
from service.rendering.preflight.findings import Finding, merged
from service.rendering.preflight.mail import Letterhead, Mail
from tests.rendering.preflight.mails import FRONT, HEAD, MASTHEAD, PICTURES, examined, findings, rules
from tests.rendering.rendered import SAMPLE

GOOD = "# News of March\n\nDear reader,\n\none rule changed this month. Read [the guide to transfers](https://www.firm.de/guide).\n"
GRAVE = ("blocks", "warns")
LETTERS = sorted([*SAMPLE.glob("*.md"), *(Path(__file__).parents[1] / "letters").glob("*.md")])


def mail(body: str = GOOD, **changes: Any) -> Mail:
    """A mail with parts of it changed as no text can change them."""
    rendered = examined(FRONT + body).rendered
    assert rendered
    return replace(Mail.of(rendered, HEAD, FRONT + body), **changes)


def test_nothing_grave_is_found_in_a_good_letter() -> None:
    assert rules(findings(GOOD), *GRAVE) == set()


@pytest.mark.parametrize("design", ["letter", "gazette", "bulletin"])
@pytest.mark.parametrize("letter", LETTERS, ids=lambda path: path.name)
def test_nothing_grave_is_found_in_the_sample_letters(letter: Path, design: str) -> None:
    source = letter.read_text("utf-8")
    pictures = {path.name: PICTURES["harbour.png"] for path in SAMPLE.glob("*.png")}
    masthead = replace(MASTHEAD, design=design)
    found = checking.check_text(
        examine(source, masthead, pictures=pictures), replace(HEAD, masthead=masthead, tracked=True), source, Facts()
    )
    assert [one for one in found if one.severity in GRAVE] == []


@pytest.mark.parametrize("brand", ["#ffee00", "#e6e6fa", "#ff0000", "#000000", "#ffffff", "#7a1f2b"])
def test_any_brand_colour_can_be_read_in_both_forms(brand: str) -> None:
    body = f"{GOOD}\n## A section\n\n> A quotation.\n\n| A | B |\n|---|---|\n| 1 | 2 |\n\n`code`, a claim.[^1]\n\n[^1]: A note.\n"
    text = examined(FRONT + body, masthead=replace(MASTHEAD, brand_colour=brand))
    assert "contrast" not in rules(checking.check_text(text, HEAD, FRONT + body, Facts()))


def test_contrast_is_looked_at_in_the_light_and_in_the_dark_form() -> None:
    light = [
        one.text for one in findings(GOOD, styled=".content p { color: #999 !important }") if one.rule == "contrast"
    ]
    assert ["in the light form" in text for text in light] == [True]
    dark = "@media (prefers-color-scheme: dark) { .content p { color: #333 !important } }"
    found = [one.text for one in findings(GOOD, styled=dark) if one.rule == "contrast"]
    assert ["in the dark form" in text for text in found] == [True]


def test_a_rule_that_an_element_s_own_style_overrules_shows_nothing() -> None:
    assert "contrast" not in rules(findings(GOOD, styled=".content p { color: #999 }"))


def test_a_dark_ground_without_light_words_is_found() -> None:
    style = "@media (prefers-color-scheme: dark) { .content p { background-color: #fff !important } }"
    assert "contrast" in rules(findings(GOOD, styled=style))


def test_what_only_newer_programs_are_told_is_no_warning() -> None:
    assert "style-unsupported" in rules(findings(GOOD, styled=".content { display: grid }"))
    extra = "@media (min-width: 600px) { .content { display: grid } }"
    assert "style-unsupported" not in rules(findings(GOOD, styled=extra))
    assert "style-unsupported" not in rules(findings(GOOD, styled=".content { border-radius: 4px }"))


def test_the_data_of_caniemail_are_those_that_were_taken() -> None:
    assert hashlib.sha256(caniemail.DATA.read_bytes()).hexdigest() == caniemail.SHA256
    assert "MIT" in caniemail.DATA.with_name("caniemail.LICENSE").read_text()
    assert "Outlook (Windows)" in caniemail.without("css-display-flex")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"subject": " "}, "subject-empty"),
        ({"fixed_subject": "!"}, "subject-only-a-tag"),
        ({"preheader": ""}, "preheader-missing"),
        ({"worst_preheader": "x" * 141}, "preheader-long"),
        ({"preheader": "Short."}, "preheader-short"),
        ({"text": " \n"}, "text-part-empty"),
        ({"text": "Short.\nhttps://news.firm.de/u/"}, "text-part-short"),
        ({"text": "<p>Words</p> and more words, so that there are enough of them." * 20}, "text-part-html"),
        ({"text": "No address, no way out. " * 20}, "postal-address"),
        ({"text": "No address, no way out. " * 20}, "leave-link"),
        ({"html": "<html lang=en><body><p>Words</body></html>"}, "postal-address"),
        ({"html": "<html lang=en><body><p>Words</body></html>"}, "leave-link"),
        ({"html": "<html><body><p>Words</body></html>"}, "language-missing"),
        ({"html": "<html><body><h1>A</h1><h2></h2></body></html>"}, "heading-empty"),
        ({"html": "<html><body><a href=''>Words</a></body></html>"}, "link-empty"),
        ({"html": "<html><body><img src='cid:1' alt='A'></body></html>"}, "picture-embedded"),
        ({"html": "<html><body><img src='a.png' alt='A' width='900' height='9'></body></html>"}, "picture-too-wide"),
        ({"html": "<html><body><img src='a.png' width='9' height='9'></body></html>"}, "picture-without-words"),
        ({"html": "<html><body>" + "<img src='a.png' alt='A' width='9' height='9'>" * 3}, "pictures-mostly"),
        ({"html": "<html><body><video src='a.mp4'></video></body></html>"}, "style-unsupported"),
        ({"worst_html": "x" * 103 * 1024}, "size"),
        ({"worst_html": "x" * 95 * 1024}, "size-near"),
    ],
)
def test_a_mail_with_this_fault_is_told_of_it(changes: dict[str, str], rule: str) -> None:
    assert rule not in rules(checking.check(mail(), Facts()))
    found = [one for one in checking.check(mail(**changes), Facts()) if one.rule == rule]
    assert found
    assert all(one.where and one.remedy for one in found)


def test_the_leave_link_must_be_in_both_parts() -> None:
    good = mail()
    parts = {
        one.where
        for changed in (
            replace(good, html=good.html.replace(HEAD.leave_url, "https://x.de")),
            replace(good, text=good.text.replace(HEAD.leave_url, "")),
        )
        for one in checking.check(changed, Facts())
        if one.rule == "leave-link" and one.severity == "blocks"
    }
    assert parts == {"the HTML", "the text part"}


def test_tracked_links_are_counted_before_they_grow() -> None:
    many = GOOD + "\n".join(f"* [Item {i} of many](https://www.firm.de/{i})" for i in range(190))
    plain, tracked = (
        replace(mail(many), head=replace(HEAD, tracked=tracked), worst_html="x" * 50 * 1024)
        for tracked in (False, True)
    )
    assert size.growth(plain) == 0
    assert size.growth(tracked) > 190 * 300
    assert rules(list(size.check(plain, Facts()))) == set()
    assert rules(list(size.check(tracked, Facts()))) == {"size-when-tracked"}


def test_the_heaviest_part_is_named() -> None:
    long = f"{GOOD}\n## A short section\n\nWords.\n\n## A long section\n\n" + "Many words about transfers. " * 3600
    found = next(one for one in checking.check(mail(long), Facts()) if one.rule.startswith("size"))
    assert "What weighs most: the section “A long section” 9" in found.remedy


def test_a_long_value_of_one_reader_makes_the_worst_mail() -> None:
    body = GOOD.replace("Dear reader", 'Dear {{ first_name | default: "reader" }}')
    rendered = examined(FRONT + body).rendered
    assert rendered
    longest = Mail.of(rendered, HEAD, body, {"first_name": "W" * 5000})
    assert len(longest.worst_html) - len(longest.html) > 4900
    assert "WWW" not in longest.html + longest.text + longest.subject


def test_an_escaped_value_is_as_long_as_it_will_be() -> None:
    body = GOOD.replace("Dear reader", 'Dear {{ first_name | default: "reader" }}')
    rendered = examined(FRONT + body).rendered
    assert rendered
    assert "&amp;" * 50 in Mail.of(rendered, HEAD, body, {"first_name": "&" * 50}).worst_html


def test_a_dmarc_record_that_asks_for_nothing_is_only_noted() -> None:
    said = Domain("firm.de", spf=("v=spf1 +all",), dkim=("s1", "s2"), dmarc=("v=DMARC1; p=none",))
    found = findings(GOOD, facts=Facts(sender=said))
    assert rules(found, "notes") >= {"sender-dmarc-none"}
    assert rules(found, "warns") == {"sender-spf"}
    good = Domain(
        "firm.de", spf=("v=spf1 include:sendgrid.net -all",), dkim=("s1", "s2"), dmarc=("v=DMARC1; p=reject",)
    )
    assert not {rule for rule in rules(findings(GOOD, facts=Facts(sender=good))) if rule.startswith("sender")}


def test_what_could_not_be_asked_is_a_note_and_nothing_else() -> None:
    found = findings(GOOD, facts=Facts(sender=Domain("firm.de"), unasked=(("SPF, DKIM and DMARC", "no network"),)))
    assert rules(found, *GRAVE) == set()
    assert [one.text for one in found if one.rule == "not-checked"] == [
        "SPF, DKIM and DMARC could not be checked: no network"
    ]


def test_a_value_that_everybody_has_is_no_fault() -> None:
    body = GOOD.replace("Dear reader", "Dear {{ first_name }}")
    assert "tag-without-default" in rules(findings(body), "warns")
    assert "tag-without-default" in rules(findings(body, facts=Facts(longest={"first_name": "Ann"})), "notes")
    lacking = Facts(
        longest={"first_name": "Ann"}, missing=(Missing("first_name", 2, 9, ("a@b.example", "c@d.example")),)
    )
    found = next(one for one in findings(body, facts=lacking) if one.rule == "value-missing")
    assert (found.severity, found.where) == ("warns", "line 8")
    assert found.text.endswith("2 of 9 readers have no first name and get no copy: a@b.example, c@d.example")


def test_a_text_that_cannot_be_read_at_all_is_told_of_every_problem() -> None:
    text = "---\nsubject: News\n# no end\n\nWords\n"
    found = checking.check_text(examined(text), HEAD, text, Facts())
    assert [(one.severity, one.where) for one in found] == [("blocks", "line 1")]


def test_a_newsletter_without_an_address_or_with_a_colour_that_is_none_is_still_looked_at() -> None:
    masthead = Masthead("Data Letter", "Harbour & Lane LLP", "", brand_colour="blue")
    text = examined(FRONT + "[here](https://www.firm.de/x)", masthead=masthead)
    found = checking.check_text(text, Letterhead(masthead, HEAD.leave_url), FRONT, Facts())
    assert {"postal-address", "newsletter"} <= rules(found, "blocks")
    assert "link-says-nothing" in rules(found)


def test_findings_of_all_versions_are_said_once() -> None:
    both, one = Finding("warns", "a", "A", "subject", "R."), Finding("blocks", "b", "B", "line 3", "R.")
    assert merged({"en": [both], "de": [both, one]}) == [replace(one, where="line 3 (de only)"), both]
