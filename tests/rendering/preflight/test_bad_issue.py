"""One deliberately bad issue, with everything planted that a rule is for: one run finds all of it."""

from dataclasses import replace
from pathlib import Path

from service.rendering.preflight import checking
from service.rendering.preflight.facts import Answer, Domain, Facts, Missing, Spam
from service.rendering.preflight.findings import Finding
from tests.rendering.preflight.mails import HEAD, examined, rules, with_style

BAD = Path(__file__).with_name("bad.md")
DESIGN = """
.content p { display: flex; color: #999999 !important; }
@media (prefers-color-scheme: dark) { .content p { color: #222222 !important; } }
"""
FACTS = Facts(
    missing=(Missing("first_name", 14, 2310, ("ann@readers.example",)), Missing("organisation", 2310, 2310)),
    longest={"first_name": "Wolfeschlegelsteinhausenbergerdorff", "organisation": "Harbour"},
    links={
        "https://www.firm.de/gone": Answer("dead", "404 Not Found"),
        "https://www.firm.de/slow": Answer("unknown", "no answer within 5 seconds"),
    },
    sender=Domain("gmail.com", spf=(), dkim=("s1",), dmarc=(), takes_mail=True),
    reply_to=Domain("answers.example", takes_mail=False),
    spam=Spam(4.2, 5.0, (("MISSING_MID", 0.5),)),
)
PLANTED = {
    # what an inbox shows
    "subject-long": "line 2",
    "subject-shouting": "line 2",
    "subject-false-answer": "line 2",
    "preheader-repeats": "line 3",
    "front-matter": "line 4",
    # tags and values
    "tag": "line 9",
    "value-missing": "line 9",
    # structure and language
    "heading-twice": "line 11",
    "heading-jump": "line 13",
    "language-of-chinese": "line 35",
    # links
    "link-says-nothing": "line 15",
    "link-same-words": "line 17",
    "link-insecure": "line 19",
    "link-dead": "line 19",
    "link-unchecked": "line 19",
    "link-without-words": "line 21",
    "link-empty": "line 21",
    "link-to-no-place": "line 21",
    "link-relative": "line 21",
    "link-bare": "line 23",
    # pictures
    "picture-without-words": "line 25",
    "picture-embedded": "line 27",
    "picture-elsewhere": "line 29",
    "picture-without-size": "line 29",
    "picture-missing": "line 31",
    # notes
    "note-dangling": "line 33",
    "note-duplicate": "line 42",
    "note-repeated": "line 43",
    "note-orphan": "line 45",
    # words
    "wording-spam": "line 37",
    "wording-marks": "line 2",
    "wording-capitals": "line 2",
    "html-refused": "line 39",
    "spam-filter": "the whole mail",
    # the design
    "style-unsupported": "the rule .content p",
    "contrast": "the HTML, near “Dear , dear Maximiliane,”",
    # the sender
    "sender-free-mail": "From",
    "sender-mute": "Reply-To",
    "reply-to-elsewhere": "Reply-To",
    "answers-lost": "Reply-To",
    "sender-spf": "DNS of gmail.com",
    "sender-dkim": "DNS of gmail.com",
    "sender-dmarc": "DNS of gmail.com",
    # header
    "list-unsubscribe-long": "the header List-Unsubscribe",
}
"""Every fault planted in bad.md, in its design and in the facts, and where it is said to be."""


def found() -> list[Finding]:
    source = BAD.read_text("utf-8")
    head = replace(
        HEAD,
        sender_address="news@gmail.com",
        reply_to="no-reply@answers.example",
        leave_url=f"https://a-very-long-name-for-a-letter.firm.de/u/{'x' * 40}",
    )
    return checking.check_text(with_style(examined(source), DESIGN), head, source, FACTS)


def test_every_planted_fault_is_found_in_one_run() -> None:
    assert len(PLANTED) >= 25
    assert set(PLANTED) - rules(found()) == set()


def test_nothing_else_is_found() -> None:
    assert rules(found()) - set(PLANTED) == {"style-passed-over"}


def test_each_is_said_to_be_where_it_was_planted() -> None:
    said = {(one.rule, one.where) for one in found()}
    assert {pair for pair in PLANTED.items() if pair not in said} == set()


def test_every_finding_has_a_text_a_place_and_a_remedy() -> None:
    for one in found():
        assert one.text.strip(), one
        assert one.where.strip(), one
        assert len(one.remedy) > 5, one


def test_what_stops_a_send_comes_first_and_nothing_is_said_twice() -> None:
    severities = [one.severity for one in found()]
    assert severities == sorted(severities, key=["blocks", "warns", "notes"].index)
    assert len(found()) == len(set(found()))


def test_the_words_for_vague_links_are_known_in_four_languages() -> None:
    texts = {one.text for one in found() if one.rule == "link-says-nothing"}
    assert texts == {
        f"the link “{words}” does not say where it leads" for words in ("click here", "hier", "点击这里", "cliquez ici")
    }


def test_a_reader_s_values_are_counted_and_never_shown() -> None:
    assert not any("Wolfeschlegel" in f"{one.text}{one.where}" for one in found())
    values = [one for one in found() if one.rule == "value-missing"]
    assert values[0].severity == "blocks"
    assert "2,310 of 2,310 readers have no organisation" in values[0].text
    assert "14 of 2,310 readers have no first name and get no copy: ann@readers.example …" in values[1].text
