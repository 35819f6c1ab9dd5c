"""Opens a Word file as the ZIP that it is, within limits, and says what to do with a file that is none."""

import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from posixpath import join, normpath, split

from lxml import etree

from service.rendering.problems import RenderError

LARGEST = 20_000_000
MAX_ENTRIES = 3_000
MAX_TOTAL = 120_000_000
MAX_PART = 12_000_000
MAX_RATIO = 200
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_SAVE = "open it and save it as a Word document (.docx)"
_USUAL = b"http://schemas.openxmlformats.org/"
_STRICT = tuple(
    (b"http://purl.oclc.org/ooxml/" + name, _USUAL + usual)
    for name, usual in (
        (b"wordprocessingml/main", b"wordprocessingml/2006/main"),
        (b"officeDocument/relationships", b"officeDocument/2006/relationships"),
        (b"officeDocument/math", b"officeDocument/2006/math"),
        (b"drawingml/main", b"drawingml/2006/main"),
        (b"drawingml/wordprocessingDrawing", b"drawingml/2006/wordprocessingDrawing"),
        (b"drawingml/picture", b"drawingml/2006/picture"),
    )
)
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, MemoryError, RuntimeError, ValueError)
_XML = re.compile(rb"[\s\xef\xbb\xbf\xff\xfe\x00]*<")


def entries(content: bytes, called: str) -> dict[str, bytes]:
    """Every file inside a Word file by its name. Raises RenderError with what to do instead."""
    if len(content) > LARGEST:
        size = f"{len(content) / 1_000_000:.0f} MB"
        raise RenderError(
            [f"{called} has {size}; a Word file may have {LARGEST // 1_000_000}: make its pictures smaller"]
        )
    _check_kind(content, called)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = _unpacked(archive, called)
    except RenderError:
        raise  # is a ValueError, and says more
    except _DAMAGED:
        raise RenderError([f"{called} is damaged; open it in Word and save it again"]) from None
    _check_parts(found, called)
    return found


def _check_kind(content: bytes, called: str) -> None:
    if content.startswith(_OLE):
        if _ENCRYPTED in content:
            raise RenderError(
                [f"{called} is protected by a password; take the protection off in Word and save it again"]
            )
        raise RenderError([f"{called} is a Word file of the old kind (.doc); {_SAVE}"])
    if content.startswith(b"{\\rtf"):
        raise RenderError([f"{called} is a rich-text file (.rtf); {_SAVE}"])
    if content.startswith(b"%PDF"):
        raise RenderError([f"{called} is a PDF; use the file from which it was made"])
    if not content.startswith(b"PK"):
        what = "empty" if not content else "no Word file, or it is damaged"
        raise RenderError([f"{called} is {what}; {_SAVE}"])


def _unpacked(archive: zipfile.ZipFile, called: str) -> dict[str, bytes]:
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    bomb = any(info.file_size > 1_000_000 and info.file_size > MAX_RATIO * info.compress_size for info in infos)
    if len(infos) > MAX_ENTRIES or total > MAX_TOTAL or bomb:
        raise RenderError([f"{called} unpacks to far more than a letter holds; copy the text into a new Word file"])
    if any(info.flag_bits & 1 for info in infos):
        raise RenderError([f"{called} is protected by a password; take the protection off and save it again"])
    return {info.filename: archive.read(info) for info in infos if not info.is_dir()}


def _check_parts(found: dict[str, bytes], called: str) -> None:
    mimetype = found.get("mimetype", b"")
    if mimetype.startswith(b"application/vnd.oasis.opendocument"):
        raise RenderError([f"{called} is an OpenDocument file (.odt); {_SAVE}"])
    if any(name.endswith(".iwa") or name == "Index.zip" for name in found):
        raise RenderError([f"{called} is a Pages file; export it from Pages as Word (.docx)"])
    if "[Content_Types].xml" not in found or not any(re.fullmatch(r"word/document\d*\.xml", name) for name in found):
        if any(name.startswith(("xl/", "ppt/")) for name in found):
            raise RenderError([f"{called} is a spreadsheet or slides; copy its text into a Word document"])
        raise RenderError([f"{called} is no Word file, or it is damaged; {_SAVE}"])
    for part in found.values():
        if not _XML.match(part[:64]):
            continue
        if len(part) > MAX_PART:
            raise RenderError([f"{called} has far more text than a letter; keep what is to be sent"])
        # No program writes one; it is how a file would make us read others, or unfold without end.
        if b"<!DOCTYPE" in part.replace(b"\x00", b""):
            raise RenderError([f"{called} declares entities, which no Word file does; copy its text into a new one"])


def part_names(found: dict[str, bytes], called: str) -> dict[str, list[str]]:
    """The names of the parts by what they are: `document`, `footnotes`, `header` and so on. Word may number them."""
    main = next(iter(_related(found, "", "_rels/.rels", called).get("officeDocument", [])), "word/document.xml")
    folder, name = split(main)
    names = _related(found, folder, f"{folder}/_rels/{name}.rels".lstrip("/"), called)
    for what in ("styles", "numbering", "footnotes", "endnotes", "comments"):
        if what not in names and f"word/{what}.xml" in found:
            names[what] = [f"word/{what}.xml"]
    if main not in found:
        raise RenderError([f"{called} is damaged; open it in Word and save it again"])
    return {**names, "document": [main]}


def _related(found: dict[str, bytes], folder: str, rels: str, called: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for kind, target in _relations(found[rels], called) if rels in found else ():
        name = target.lstrip("/") if target.startswith("/") else normpath(join(folder, target))
        if name in found:
            names.setdefault(kind, []).append(name)
    return names


def _relations(part: bytes, called: str) -> Iterator[tuple[str, str]]:
    for relation in parsed(part, called):
        yield str(relation.get("Type") or "").rsplit("/", 1)[-1], str(relation.get("Target") or "")


def parsed(part: bytes, called: str) -> etree._Element:
    """The XML of a part, in the usual names also where Word was told to write the strict ones."""
    for strict, usual in _STRICT:
        part = part.replace(strict, usual)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(part, parser)
    except etree.XMLSyntaxError:
        raise RenderError([f"{called} is damaged; open it in Word and save it again"]) from None


def packed(found: dict[str, bytes]) -> io.BytesIO:
    """The files as a ZIP again."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, part in found.items():
            archive.writestr(zipfile.ZipInfo(name), part)
    out.seek(0)
    return out
