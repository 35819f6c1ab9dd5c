"""Word files as Word writes them, built for the tests: a whole letter of a law firm, and small files with one thing in them."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape

import docx
from docx.document import Document
from docx.oxml import parse_xml
from docx.shared import Inches
from docx.text.paragraph import Paragraph
from PIL import Image, ImageDraw

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NAMESPACES = (
    f'xmlns:w="{_W}" xmlns:r="{_R}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    ' xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    ' xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"'
    ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" xmlns:v="urn:schemas-microsoft-com:vml"'
)
_TYPES = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
NOTES = 18
SECTIONS: tuple[tuple[str, Sequence[str]], ...] = (
    (
        "Legislation",
        (
            "Transfers now need a register",
            "Breach reports: 72 hours become 48",
            "Children’s apps lose the pre-ticked box",
            "A draft on synthetic data",
            "Eastvale’s network act, second reading",
        ),
    ),
    (
        "Authorities",
        (
            "The Commissioner on cookie walls",
            "New forms for impact assessments",
            "Guidance on employee mailboxes",
            "A register of processors opens",
            "Tarn’s office moves, and so do deadlines",
        ),
    ),
    (
        "Enforcement and courts",
        (
            "A bakery’s eleven cameras",
            "Access requests are not discovery",
            "Damages for a lost USB stick",
            "No fine without fault, says the court",
            "A school’s photographs",
        ),
    ),
    (
        "China 中国",
        (
            "Standard contracts: what the filing office returns",
            "Audits from May 审计",
            "Minors online 未成年人",
            "Facial recognition in shops",
            "Exports of human genetic data",
        ),
    ),
)


def word_letter() -> bytes:
    """The letter: 20 items in four sections, 18 footnotes, a table, two pictures, lists, Chinese names, links, tags cut into
    runs, and its authors’ cards at the end."""
    return _letter()


@cache
def _letter() -> bytes:
    document = docx.Document()
    document.add_heading("Data Letter 数据通讯, March", 0)
    _runs(document.add_paragraph(), "Dear {{ first_", ("name", "b"), " | default: “reader” }},")
    document.add_paragraph("twenty things changed this month, and three of them need you before Easter.")
    picture = document.add_paragraph()
    picture.add_run().add_picture(io.BytesIO(png(640, 240)), width=Inches(5))
    _describe(document, 0, "A harbour at dusk, with a striped lighthouse")
    document.add_paragraph("The old grain quay, seen from our offices.", style="Caption")
    note = number = 0
    for section, titles in SECTIONS:
        document.add_heading(section, 1)
        for title in titles:
            number += 1
            document.add_heading(title, 2)
            paragraph = document.add_paragraph(f"Item {number} begins here")
            if note < NOTES:
                note += 1
                _refer(paragraph, note)
            _runs(paragraph, " and goes on in ", ("bold", "b"), ", in ", ("italic", "i"), " and in plain letters.")
            _extras(document, number)
    document.add_heading("Whom to ask", 1)
    _cards(document)
    return _with_notes(_saved(document), {n: _note_xml(n) for n in range(1, NOTES + 1)})


def _extras(document: Document, number: int) -> None:
    """What some items have beside their words."""
    if number == 2:
        rows = (
            ("Where", "Until now", "From 1 April"),
            ("Northmere", "72 hours", "48 hours"),
            ("Tarn 塔恩", "5 days", "48 hours"),
        )
        table = document.add_table(rows=0, cols=3)
        for row in rows:
            for cell, text in zip(table.add_row().cells, row, strict=True):
                cell.text = text
    elif number == 4:
        for text in ("Was the model trained on records?", "Can one be singled out?", "Who holds the key?"):
            document.add_paragraph(text, style="List Number")
    elif number == 7:
        document.add_paragraph("The forms cover:", style="List Bullet")
        document.add_paragraph("new systems,", style="List Bullet 2")
        document.add_paragraph("old ones that change.", style="List Bullet 2")
        document.add_paragraph("They may be filed online.", style="List Bullet")
    elif number == 11:
        document.add_paragraph("One camera is a measure; eleven are a habit.", style="Quote")
    elif number == 16:
        paragraph = document.add_paragraph("See ")
        _link(paragraph, "https://www.example.com/filing?office=shanghai&for={{ office }}", "the office’s list 清单")
        paragraph.add_run(", or ask 林美 (Mei Lin).")
    elif number == 19:
        document.add_paragraph().add_run().add_picture(io.BytesIO(png(320, 200, "#7a1f2b")), width=Inches(3))
        _describe(document, 1, "A chart: filings rose from 12 to 90")


def _cards(document: Document) -> None:
    people = (
        ("Mei Lin", "林美", "Partner, Shanghai 上海", "mei.lin@firm.example"),
        ("Omar Haddad", "", "Counsel, Northmere", "omar.haddad@firm.example"),
    )
    for name, chinese, role, address in people:
        paragraph = document.add_paragraph()
        paragraph.add_run(name).bold = True
        if chinese:
            paragraph.add_run(f" {chinese}")
        paragraph.add_run().add_break()
        paragraph.add_run(role)
        paragraph.add_run().add_break()
        _link(paragraph, f"mailto:{address}", address)


def _note_xml(number: int) -> str:
    words = f"Act No. {number} of 2026, section {number}"
    inner = f'<w:r><w:rPr><w:i/></w:rPr><w:t xml:space="preserve">{words}</w:t></w:r>'
    if number == 3:
        inner += text(" (《未成年人网络保护条例》), see https://www.example.com/act_3")
    return f'<w:p><w:pPr><w:pStyle w:val="FootnoteText"/></w:pPr><w:r><w:footnoteRef/></w:r>{text(" ")}{inner}{text(".")}</w:p>'


def _runs(paragraph: Paragraph, *parts: str | tuple[str, str]) -> None:
    for part in parts:
        words, look = (part, "") if isinstance(part, str) else part
        run = paragraph.add_run(words)
        run.bold, run.italic = (True if look == "b" else None), (True if look == "i" else None)


def _refer(paragraph: Paragraph, number: int) -> None:
    paragraph._p.append(parse_xml(f'<w:r {NAMESPACES}><w:footnoteReference w:id="{number}"/></w:r>'))


def _link(paragraph: Paragraph, url: str, words: str) -> None:
    identity = paragraph.part.relate_to(url, f"{_R}/hyperlink", is_external=True)
    paragraph._p.append(parse_xml(f'<w:hyperlink {NAMESPACES} r:id="{identity}">{text(words)}</w:hyperlink>'))


def _describe(document: Document, number: int, words: str) -> None:
    document.inline_shapes[number]._inline.docPr.set("descr", words)


def png(width: int, height: int, colour: str = "#1f3a5f") -> bytes:
    """A picture with a line across it."""
    picture = Image.new("RGB", (width, height), colour)
    ImageDraw.Draw(picture).line((0, height, width, 0), fill="white", width=8)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _saved(document: Document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def text(words: str, looks: str = "") -> str:
    """A run of a Word file."""
    return f'<w:r>{f"<w:rPr>{looks}</w:rPr>" if looks else ""}<w:t xml:space="preserve">{escape(words)}</w:t></w:r>'


def paragraph(*runs: str, properties: str = "") -> str:
    """A paragraph of a Word file."""
    return f"<w:p>{f'<w:pPr>{properties}</w:pPr>' if properties else ''}{''.join(runs)}</w:p>"


def _part(kind: str, inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><w:{kind} {NAMESPACES}>{inner}</w:{kind}>'.encode()


def _notes_part(kind: str, notes: Mapping[int, str]) -> bytes:
    separators = f'<w:{kind} w:type="separator" w:id="-1"><w:p/></w:{kind}>'
    return _part(f"{kind}s", separators + "".join(f'<w:{kind} w:id="{n}">{xml}</w:{kind}>' for n, xml in notes.items()))


def _with_notes(content: bytes, notes: Mapping[int, str]) -> bytes:
    """A saved file with a part for footnotes, which python-docx cannot write."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    found["word/footnotes.xml"] = _notes_part("footnote", notes)
    found["[Content_Types].xml"] = found["[Content_Types].xml"].replace(
        b"</Types>",
        f'<Override PartName="/word/footnotes.xml" ContentType="{_TYPES}.footnotes+xml"/></Types>'.encode(),
    )
    relation = f'<Relationship Id="rIdNotes" Type="{_R}/footnotes" Target="footnotes.xml"/></Relationships>'
    rels = "word/_rels/document.xml.rels"
    found[rels] = found[rels].replace(b"</Relationships>", relation.encode())
    return zipped(found)


def zipped(found: Mapping[str, bytes | str]) -> bytes:
    """Files as a ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in found.items():
            archive.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def small(
    body: str,
    *,
    notes: Mapping[int, str] | None = None,
    endnotes: Mapping[int, str] | None = None,
    more: Mapping[str, str] | None = None,
    media: Mapping[str, bytes] | None = None,
    links: Mapping[str, str] | None = None,
) -> bytes:
    """A small file. `more`: further parts by kind, such as `comments`, `header1`, `numbering`, `styles`. `media` are related as
    their names without ending, `links` as they are called."""
    parts: dict[str, bytes] = {"document": _part("document", f"<w:body>{body}</w:body>")}
    if notes:
        parts["footnotes"] = _notes_part("footnote", notes)
    if endnotes:
        parts["endnotes"] = _notes_part("endnote", endnotes)
    roots = {"header1": "hdr", "footer1": "ftr"}
    for kind, inner in (more or {}).items():
        parts[kind] = _part(roots.get(kind, kind), inner)
    relations = [(kind, f"{_R}/{kind.rstrip('1')}", f"{kind}.xml", "") for kind in parts if kind != "document"]
    relations += [(name.split(".")[0], f"{_R}/image", f"media/{name}", "") for name in media or {}]
    relations += [
        (name, f"{_R}/hyperlink", escape(url), ' TargetMode="External"') for name, url in (links or {}).items()
    ]
    listed = "".join(f'<Relationship Id="{i}" Type="{kind}" Target="{to}"{mode}/>' for i, kind, to, mode in relations)
    overrides = "".join(
        f'<Override PartName="/word/{kind}.xml" ContentType="{_TYPES}.{"document.main" if kind == "document" else kind}+xml"/>'
        for kind in parts
    )
    types = "".join(
        f'<Default Extension="{ending}" ContentType="{kind}"/>'
        for ending, kind in (("png", "image/png"), ("emf", "image/x-emf"), ("xml", "application/xml"))
    )
    rels = f'<Relationships xmlns="{_PACKAGE}/relationships">'
    found: dict[str, bytes | str] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">{types}{overrides}</Types>',
        "_rels/.rels": f'{rels}<Relationship Id="rId1" Type="{_R}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f"{rels}{listed}</Relationships>",
    }
    found |= {f"word/{kind}.xml": part for kind, part in parts.items()}
    found |= {f"word/media/{name}": part for name, part in (media or {}).items()}
    return zipped(found)


def drawing(identity: str, alt: str = "") -> str:
    """A picture in a run, by the name of its relation."""
    return (
        f'<w:r><w:drawing><wp:inline><wp:docPr id="1" name="Picture 1" descr="{escape(alt)}"/><a:graphic>'
        f'<a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic><pic:blipFill>'
        f'<a:blip r:embed="{identity}"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>'
    )
