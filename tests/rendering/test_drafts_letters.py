"""Whole letters of different shapes, and one real edition where it is at hand."""

import re
from pathlib import Path

import pytest

from service.rendering.drafts import draft_from_text
from tests.rendering.test_drafts_reading import letters_of, read

LETTERS = Path(__file__).parent / "letters"
REAL = sorted((Path(__file__).resolve().parents[2].parent / "shared" / "real").glob("*.txt"))
DRAFTS = Path(__file__).resolve().parents[2] / "service" / "rendering"
HEADINGS = {
    "plain": [
        (1, "Harbour Desk: Privacy Letter"),
        (2, "What the regulators did"),
        (2, "What the courts did"),
        (2, "What to do before summer"),
    ],
    "numbered": [
        (1, "NORTHLIGHT CHAMBERS DATA NOTE"),
        (2, "1. Scope"),
        (3, "1.1 Who is meant"),
        (3, "1.2 What is not meant"),
        (2, "2. Access requests"),
        (3, "2.1 Proving identity"),
        (3, "2.2 Refusing"),
        (2, "3. Erasure"),
        (3, "3.1 Backups"),
        (3, "3.2 Logs"),
        (2, "4. Where to ask"),
    ],
    "sources": [(1, "Quayside Monthly"), (2, "ENFORCEMENT"), (2, "LEGISLATION IN PREPARATION"), (2, "COURTS")],
    "chinese": [
        (1, "海岸数据合规简报"),
        (2, "第一章 监管动态"),
        (3, "一、出境规则的新问答"),
        (3, "二、移动应用的抽查"),
        (3, "（一）整改要点"),
        (3, "（二）后续安排"),
        (2, "第二章 司法案例"),
        (3, "一、拒绝退订的赔偿"),
        (3, "二、员工信息的边界"),
        (2, "第三章 联系我们"),
        (3, "林若海"),
        (3, "周明川"),
    ],
}
NOTES = {"sources": [2, 1, 1, 1], "chinese": [2, 1, 1]}
MARKERS = re.compile(r"^\s*(?:- |\d[.)] |-{3,}$)", re.MULTILINE)
NOTE_MARKERS = {"sources": re.compile(r"[¹²³⁴](?<!m²)"), "chinese": re.compile(r"\[\d\]")}


@pytest.mark.parametrize("name", HEADINGS)
def test_a_letter_has_its_headings(name: str) -> None:
    assert read(draft_from_text((LETTERS / f"{name}.txt").read_text()).markdown).headings == HEADINGS[name]


@pytest.mark.parametrize("name", HEADINGS)
def test_a_letter_has_its_notes(name: str) -> None:
    assert read(draft_from_text((LETTERS / f"{name}.txt").read_text()).markdown).references == NOTES.get(name, [])


@pytest.mark.parametrize("name", HEADINGS)
def test_a_letter_keeps_every_word_in_order(name: str) -> None:
    text = (LETTERS / f"{name}.txt").read_text()
    seen = read(draft_from_text(text).markdown)
    body = NOTE_MARKERS[name].sub("", text) if name in NOTE_MARKERS else text
    shown = MARKERS.sub("", seen.text + "\n" + "\n".join(seen.notes))
    assert letters_of(shown) == letters_of(MARKERS.sub("", body))


def test_a_letter_keeps_its_lists_and_its_quotation() -> None:
    seen = read(draft_from_text((LETTERS / "plain.txt").read_text()).markdown)
    assert {"bullet_list_open", "ordered_list_open", "blockquote_open"} <= seen.kinds
    assert seen.links == [
        "https://authority.example/checklists/employers_2031.pdf",
        "mailto:comments@authority.example",
    ]


def test_the_report_names_a_mark_without_a_source() -> None:
    report = draft_from_text((LETTERS / "sources.txt").read_text()).report
    assert [note.line for note in report if "no source" in note.text] == [19]


@pytest.mark.skipif(not REAL, reason="no real edition beside the checkout")
def test_a_real_edition_becomes_a_draft_with_nothing_lost() -> None:
    text = REAL[0].read_text()
    lines = text.splitlines()
    seen = read(draft_from_text(text).markdown)
    assert seen.references == [1] * 18
    assert len(seen.notes) == 18
    assert seen.links[:18] != seen.notes
    assert {level for level, _ in seen.headings} == {1, 2, 3}
    assert not re.search(r"\[\d+\]", seen.text)
    listed = lines[4:27]
    body = [re.sub(r"\s*\[\d+\]", "", line) for line in [*lines[:4], *lines[27:]] if not line.startswith("[")]
    assert letters_of(seen.text) == letters_of("".join(body))
    assert [heading for _, heading in seen.headings][1:24] == listed
    assert seen.notes == [re.sub(r"^\[\d+\]\s*", "", line) for line in lines if line.startswith("[")]


@pytest.mark.skipif(not REAL, reason="no real edition beside the checkout")
def test_the_parser_holds_no_heading_of_a_real_edition() -> None:
    source = "\n".join(path.read_text() for path in DRAFTS.glob("drafts*.py")).casefold()
    names = {
        word
        for _, text in read(draft_from_text(REAL[0].read_text()).markdown).headings
        if len(text.split()) < 4
        for word in [text.casefold()]
    }
    assert names
    assert not [name for name in names if name in source]
