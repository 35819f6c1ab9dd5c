"""Word files as Markdown: a whole letter, each thing that Word can do, and files that are none."""

import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from service.rendering.drafts import Draft
from service.rendering.incoming_word import draft_from_word
from service.rendering.newsletter import Picture, local_pictures, render
from service.rendering.problems import RenderError
from service.settings import ROOT
from tests.rendering.rendered import MASTHEAD
from tests.rendering.word import NOTES, SECTIONS, drawing, paragraph, png, small, text, word_letter, zipped

DECIMAL = '<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{label}"/></w:lvl>'


def numbering(*levels: tuple[str, str]) -> str:
    """A list rule (1), and a second list by the same rule that begins anew (2)."""
    inner = "".join(DECIMAL.format(at=at, kind=kind, label=label) for at, (kind, label) in enumerate(levels))
    return (
        f'<w:abstractNum w:abstractNumId="7">{inner}</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
        '<w:num w:numId="2"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
    )


def item(words: str, level: int = 0, rule: int = 1, style: str = "") -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return paragraph(
        text(words), properties=f'{named}<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{rule}"/></w:numPr>'
    )


def draft(body: str, **parts: object) -> Draft:
    return draft_from_word(small(body, **parts))  # type: ignore[arg-type]


def markdown(body: str, **parts: object) -> str:
    return draft(body, **parts).markdown


def told(body: str, **parts: object) -> str:
    return "\n".join(f"{note.where}: {note.text}" for note in draft(body, **parts).report)


def test_the_whole_letter_comes_through() -> None:
    found = draft_from_word(word_letter(), stem="letter")
    lines = found.markdown.split("\n")
    assert found.title == "Data Letter 数据通讯, March"
    assert lines[0] == "# Data Letter 数据通讯, March"
    assert lines[2] == 'Dear {{ first_name | default: "reader" }},'
    assert [line[3:] for line in lines if line.startswith("## ")] == [*(name for name, _ in SECTIONS), "Whom to ask"]
    assert [line[4:] for line in lines if line.startswith("### ")] == [
        title for _, titles in SECTIONS for title in titles
    ]
    for number in range(1, NOTES + 1):
        assert found.markdown.count(f"Item {number} begins here[^{number}] and") == 1
        assert f"[^{number}]: *Act No. {number} of 2026, section {number}*" in found.markdown
    assert "(《未成年人网络保护条例》), see <https://www.example.com/act_3>." in found.markdown
    assert "| Tarn 塔恩 | 5 days | 48 hours |" in found.markdown
    assert "- The forms cover:\n  - new systems,\n  - old ones that change.\n- They may" in found.markdown
    assert "1. Was the model trained on records?\n2. Can" in found.markdown
    assert "> One camera is a measure" in found.markdown
    assert "[the office’s list 清单](https://www.example.com/filing?office=shanghai&for={{ office }})" in found.markdown
    assert '![A harbour at dusk, with a striped lighthouse](letter-1.png "The old grain quay, seen' in found.markdown
    assert "**Mei Lin** 林美\\\nPartner, Shanghai 上海\\\n<mei.lin@firm.example>" in found.markdown
    assert list(found.pictures) == ["letter-1.png", "letter-2.png"]
    assert all(content.startswith(b"\x89PNG") for content in found.pictures.values())


def test_the_whole_letter_renders_without_a_word_lost() -> None:
    found = draft_from_word(word_letter())
    pictures = {name: Picture(f"https://news.example/{name}", 640, 240) for name in local_pictures(found.markdown)}
    result = render(found.markdown, MASTHEAD, fields=("office",), pictures=pictures)
    plain = re.sub(r"<[^>]*>", "", result.html)
    for _section, titles in SECTIONS:
        for title in titles:
            assert title in plain
    assert result.text.count("] Act No. ") == NOTES


def test_the_same_letter_gives_the_same_draft_in_any_process() -> None:
    script = (
        "import hashlib;from tests.rendering.word import word_letter;from service.rendering.incoming_word import draft_from_word;"
        "d=draft_from_word(word_letter());print(hashlib.sha256(repr((d.markdown,d.report,sorted(d.pictures))).encode()).hexdigest())"
    )
    environments = ({"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"}, {"PYTHONHASHSEED": "2", "TZ": "Asia/Shanghai"})
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **more, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            check=True,
        ).stdout
        for more in environments
    }
    assert len(found) == 1


def test_footnotes_and_endnotes_are_numbered_together_in_the_order_of_the_text() -> None:
    body = paragraph(
        text("A"),
        '<w:r><w:endnoteReference w:id="5"/></w:r>',
        text(", B"),
        '<w:r><w:footnoteReference w:id="2"/></w:r>',
    )
    note = paragraph("<w:r><w:footnoteRef/></w:r>", text(" Foot.")) + paragraph(text("More."))
    end = paragraph("<w:r><w:endnoteRef/></w:r>", text(" End."))
    expected = "A[^1], B[^2]\n\n[^1]: End.\n\n[^2]: Foot.\n\n    More.\n"
    assert markdown(body, notes={2: note}, endnotes={5: end}) == expected


def test_a_list_goes_on_counting_where_words_stand_between_as_word_shows_it() -> None:
    body = (
        item("one")
        + item("two")
        + paragraph(text("Words."))
        + item("three")
        + paragraph(text("Words."))
        + item("anew", rule=2)
    )
    found = markdown(body, more={"numbering": numbering(("decimal", "%1."))})
    assert found == "1. one\n2. two\n\nWords.\n\n3. three\n\nWords.\n\n1. anew\n"


def test_numbers_of_headings_and_of_clauses_are_kept_as_words() -> None:
    styles = '<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
    body = (
        paragraph(text("Scope"), properties='<w:pStyle w:val="H1"/>')
        + item("First clause.", 1)
        + item("Second clause.", 1)
    )
    more = {"styles": styles, "numbering": numbering(("upperRoman", "Part %1:"), ("decimal", "%1.%2"))}
    found = markdown(body + item("Next.", style="H1") + item("Third clause.", 1), more=more)
    assert (
        found
        == "# Part I: Scope\n\nI.1 First clause.\n\nI.2 Second clause.\n\n## Part II: Next.\n\nII.1 Third clause.\n"
    )


def test_letters_become_numbers_and_chinese_numerals_stay_before_headings() -> None:
    body = item("a thing") + item("another")
    more = {"numbering": numbering(("lowerLetter", "(%1)"))}
    assert markdown(body, more=more) == "1. a thing\n2. another\n"
    assert "near “a thing”: the item (a) of a list is counted by numbers now" in told(body, more=more)
    more = {
        "styles": '<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style>',
        "numbering": numbering(("chineseCounting", "%1、")),
    }
    assert markdown(item("总则", style="H1") + paragraph(text("x")), more=more) == "# 一、 总则\n\nx\n"


def test_lists_are_nested_and_bullets_stay_bullets() -> None:
    body = item("a") + item("b", 1) + item("c", 2) + item("d")
    found = markdown(body, more={"numbering": numbering(("bullet", "·"), ("decimal", "%2."), ("bullet", "·"))})
    assert found == "- a\n  1. b\n     - c\n- d\n"


def test_looks_links_and_line_ends_are_kept() -> None:
    body = paragraph(
        text("bold", "<w:b/>"),
        text(" not", '<w:b w:val="0"/><w:rFonts w:ascii="Comic Sans"/><w:color w:val="FF0000"/>'),
        "<w:r><w:br/></w:r>",
        text("raised", '<w:vertAlign w:val="superscript"/>'),
        '<w:hyperlink r:id="l">',
        text("a link", "<w:i/>"),
        "</w:hyperlink>",
    )
    found = markdown(body, links={"l": "https://x.example/a_b?x=1&y={{ office }}"})
    assert found == "**bold** not\\\n<sup>raised</sup>*[a link](https://x.example/a_b?x=1&y={{ office }})*\n"


def test_a_tag_cut_into_runs_by_the_spelling_checker_is_whole() -> None:
    body = paragraph(
        text("{"), '<w:proofErr w:type="spellStart"/>', text("{ first"), text("_na", "<w:b/>"), text("me | default: “you”"), text(" }"), text("}!")
    )  # fmt: skip
    assert markdown(body) == '{{ first_name | default: "you" }}!\n'


def test_a_link_made_by_a_field_is_one() -> None:
    def field(kind: str) -> str:
        return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'

    code = '<w:r><w:instrText xml:space="preserve"> HYPERLINK "https://x.example/" </w:instrText></w:r>'
    simple = f'<w:fldSimple w:instr=" SEQ Figure ">{text("7")}</w:fldSimple>'
    body = paragraph(field("begin"), code, field("separate"), text("here"), field("end"), text(", Figure "), simple)
    assert markdown(body) == "[here](https://x.example/), Figure 7\n"


def test_cells_that_were_merged_are_split_and_told() -> None:
    def cell(words: str, more: str = "") -> str:
        return f"<w:tc><w:tcPr>{more}</w:tcPr>{paragraph(text(words))}</w:tc>"

    lines = (
        cell("a") + cell("b"),
        cell("over | two", '<w:gridSpan w:val="2"/>'),
        cell("down", '<w:vMerge w:val="restart"/>') + cell("x"),
        cell("", "<w:vMerge/>") + cell("y"),
    )
    head = "<w:trPr><w:tblHeader/></w:trPr>"
    rows = "".join(f"<w:tr>{'' if at else head}{line}</w:tr>" for at, line in enumerate(lines))
    body = f"<w:tbl>{rows}</w:tbl>"
    assert markdown(body) == "| a | b |\n| --- | --- |\n| over \\| two |  |\n| down | x |\n|  | y |\n"
    assert "cells that reached over others were split" in told(body)


INSERTED = '<w:ins w:author="Mei">' + text("new ") + "</w:ins>"
DELETED = '<w:del w:author="Mei"><w:r><w:delText>old words</w:delText></w:r></w:del>'
BOX = (
    "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wp:anchor><a:graphic><a:graphicData uri='x'><wps:wsp><wps:txbx>"
    f"<w:txbxContent>{paragraph(text('In a box.'))}</w:txbxContent></wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:anchor></w:drawing>"
    "</mc:Choice></mc:AlternateContent></w:r>"
)
CHART = (
    "<w:r><w:drawing><wp:inline><wp:docPr id='1' name='c'/><a:graphic>"
    "<a:graphicData uri='http://schemas.openxmlformats.org/drawingml/2006/chart'/></a:graphic></wp:inline></w:drawing></w:r>"
)
FORMULA = "<m:oMath><m:r><m:t>a=b</m:t></m:r></m:oMath>"
RUBY = f"<w:r><w:ruby><w:rt>{text('lín')}</w:rt><w:rubyBase>{text('林')}</w:rubyBase></w:ruby></w:r>"
COMMENT = '<w:r><w:commentReference w:id="3"/></w:r>'
LINKED = drawing("l", "x").replace("r:embed", "r:link")
CONTENTS = paragraph(text("Legislation\t3"), properties='<w:pStyle w:val="TOC1"/>')

TOLD: dict[str, tuple[str, dict[str, object], str, str]] = {
    "a comment": (
        paragraph(text("Words."), COMMENT),
        {"more": {"comments": f'<w:comment w:id="3" w:author="Mei Lin">{paragraph(text("Check this."))}</w:comment>'}},
        "Words.",
        "near “Words.”: a comment by Mei Lin was left out: “Check this.”",
    ),
    "deleted words": (paragraph(text("A "), DELETED, text("b.")), {}, "A b.", "near “A b.”: deleted words were left out: “old words”"),
    "inserted words": (paragraph(text("A "), INSERTED, text("b.")), {}, "A new b.", "inserted words not yet accepted were kept: “new”"),
    "a text box": (paragraph(text("A."), BOX), {}, "A.\n\nIn a box.", "the words of a text box stand below this paragraph now"),
    "a header": (paragraph(text("A.")), {"more": {"header1": paragraph(text("Firm LLP"))}}, "A.", "the header was left out, for the design has its own: “Firm LLP”"),
    "a footer": (paragraph(text("A.")), {"more": {"footer1": paragraph(text("Page 1"))}}, "A.", "the footer was left out, for the design has its own: “Page 1”"),
    "a formula": (paragraph(text("So "), FORMULA, text(".")), {}, "So a=b.", "a formula became plain letters"),
    "a chart": (paragraph(text("A."), CHART), {}, "A.", "near “A.”: a chart cannot be shown; save it as PNG"),
    "readings": (paragraph(RUBY, text("美")), {}, "林美", "readings were left out: “lín”"),
    "a picture without words": (paragraph(text("A "), drawing("a")), {"media": {"a.png": png(9, 9)}}, "A ![](picture-1.png)", "the picture picture-1.png has no words for those who cannot see it"),
    "a picture for Windows only": (paragraph(text("A "), drawing("a", "Plan")), {"media": {"a.emf": b"\x01\x00\x00\x00l\x00"}}, "A", "near “A”: a picture (EMF) “Plan” cannot be shown; save it as PNG"),
    "a picture that is not there": (paragraph(text("A "), drawing("a", "Plan")), {"links": {"a": "media/gone.png"}}, "A", "a picture “Plan” is damaged and was left out"),
    "a picture that lies elsewhere": (paragraph(text("A "), LINKED), {"links": {"l": "file:///etc/passwd"}}, "A", "a picture is only linked and did not come with the file; insert it"),
    "contents with pages": (CONTENTS + paragraph(text("A.")), {}, "A.", "Word's table of contents was left out"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_what_cannot_come_along_is_told_with_its_place(name: str) -> None:
    body, parts, expected, said = TOLD[name]
    assert markdown(body, **parts) == f"{expected}\n"
    assert said in told(body, **parts)


def test_a_strict_file_is_read_alike() -> None:
    with zipfile.ZipFile(io.BytesIO(small(item("one"), more={"numbering": numbering(("decimal", "%1."))}))) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    usual, strict = b"http://schemas.openxmlformats.org/", b"http://purl.oclc.org/ooxml/"
    for name in ("word/document.xml", "word/numbering.xml"):
        found[name] = found[name].replace(usual + b"wordprocessingml/2006/main", strict + b"wordprocessingml/main")
    assert draft_from_word(zipped(found)).markdown == "1. one\n"


def test_a_document_under_another_name_is_found() -> None:
    with zipfile.ZipFile(
        io.BytesIO(small(item("three", 1), more={"numbering": numbering(("decimal", "%1."), ("decimal", "%1.%2"))}))
    ) as archive:
        found = {name.replace("document.xml", "document2.xml"): archive.read(name).replace(b"document.xml", b"document2.xml") for name in archive.namelist()}  # fmt: skip
    assert draft_from_word(zipped(found)).markdown == "1.1 three\n"


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b" " * 60_000_000)
    return out.getvalue()


def with_document(xml: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(small(paragraph(text("A."))))) as archive:
        return zipped({name: archive.read(name) for name in archive.namelist()} | {"word/document.xml": xml})


def locked() -> bytes:
    content = bytearray(small(paragraph(text("A."))))
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(sign, at + 1)) >= 0:
            content[at + offset] |= 1
    return bytes(content)


ENTITY = b'<!DOCTYPE w:document [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
DEEP = "<w:tbl><w:tr><w:tc>" * 300 + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * 300


def packed_otherwise() -> bytes:
    """In a way of packing that no Word uses."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(zipfile.ZipInfo("word/document.xml"), bytes(range(256)) * 4, zipfile.ZIP_LZMA)
    return out.getvalue()


CUT = word_letter()[:20_000]
DAMAGED_OTHERWISE = packed_otherwise().replace(packed_otherwise()[100:160], b"\xff" * 60)
DAMAGED = word_letter().replace(word_letter()[3000:3400], b"\0" * 400)
BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "x.docx is empty; open it and save it as a Word document"),
    "text": (b"Dear reader", "x.docx is no Word file, or it is damaged; open it and save it as a Word document"),
    "an old Word file": (OLE, "x.docx is a Word file of the old kind (.doc); open it and save it"),
    "a password": (OLE + "EncryptedPackage".encode("utf-16-le"), "x.docx is protected by a password; take the protection off"),
    "a locked ZIP": (locked(), "x.docx is protected by a password"),
    "rich text": (b"{\\rtf1 x}", "x.docx is a rich-text file (.rtf)"),
    "a PDF": (b"%PDF-1.7", "x.docx is a PDF; use the file from which it was made"),
    "OpenDocument": (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), "x.docx is an OpenDocument file (.odt)"),
    "Pages": (zipped({"Index/Document.iwa": "x"}), "x.docx is a Pages file; export it from Pages"),
    "a spreadsheet": (zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<x/>"}), "x.docx is a spreadsheet or slides"),
    "another ZIP": (zipped({"a.txt": "x"}), "x.docx is no Word file"),
    "half a file": (CUT, "x.docx is damaged; open it in Word and save it again"),
    "a damaged middle": (DAMAGED, "x.docx is damaged"),
    "a damaged middle, packed otherwise": (DAMAGED_OTHERWISE, "x.docx is damaged"),
    "broken XML": (with_document(b"<w:document"), "x.docx is damaged"),
    "no words": (small("<w:p/>"), "there are no words in x.docx"),
    "a bomb": (bomb(), "x.docx unpacks to far more than a letter holds"),
    "four thousand files": (zipped({str(n): "" for n in range(4_000)}), "x.docx unpacks to far more"),
    "twenty-one megabytes": (b"PK" + b"\0" * 21_000_000, "x.docx has 21 MB; a Word file may have 20"),
    "far too much text": (with_document(b"<a>" + os.urandom(6_500_000).hex().encode() + b"</a>"), "has far more text than a letter"),
    "entities": (with_document(ENTITY + b"<a>&x;</a>"), "x.docx declares entities, which no Word file does"),
    "entities in UTF-16": (with_document(("<?xml version='1.0' encoding='UTF-16'?>" + ENTITY.decode()).encode("utf-16")), "declares entities"),
    "three hundred tables in one another": (small(DEEP), "x.docx is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_word_file_is_refused_with_what_to_do(name: str) -> None:
    content, said = BAD[name]
    with pytest.raises(RenderError) as refused:
        draft_from_word(content, called="x.docx")
    assert said in refused.value.problems[0]


def test_tables_that_only_place_are_taken_apart_however_deep() -> None:
    body = "<w:tbl><w:tr><w:tc>" * 25 + paragraph(text("Inside.")) + "</w:tc></w:tr></w:tbl>" * 25
    assert markdown(body) == "Inside.\n"


def test_no_file_of_this_machine_comes_in(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(7, 7))
    body = paragraph(text("A "), LINKED, drawing("l", "x"))
    found = draft(body, links={"l": secret.as_uri()})
    assert png(7, 7) not in found.pictures.values()
    assert found.pictures == {}
