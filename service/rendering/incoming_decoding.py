"""The bytes of an HTML file as text: byte order mark, what the file says of itself, UTF-8, and last windows-1252."""

import codecs
import re

from service.rendering.problems import RenderError

LARGEST = 5_000_000
_HEAD = 4096
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAID = re.compile(rb"<(?:meta|\?xml)[^>]{0,500}?(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.I)
# What a file calls so is in truth the wider encoding: browsers read it that way, and programs write it that way.
_WIDER = {"iso-8859-1": "windows-1252", "latin-1": "windows-1252", "us-ascii": "windows-1252", "gb2312": "gb18030"}
_WIDER |= {"gbk": "gb18030", "shift_jis": "cp932", "iso8859-1": "windows-1252", "ascii": "windows-1252"}
_PLAIN = frozenset(["cp1252", "gb18030", "cp932", "utf-8", "big5", "euc_jp", "euc_kr", "koi8-r", "koi8-u", "cp874"])


def decoded(content: bytes, called: str) -> tuple[str, str]:
    """The text, and what is to be said of its encoding ("" where it is UTF-8). Raises RenderError for what is no text."""
    if len(content) > LARGEST:
        raise RenderError([f"{called} has {len(content) // 1000:,} KB; HTML may have {LARGEST // 1000:,}"])
    text, told = _decoded(content)
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise RenderError([f"{called}, line {line}: a NUL byte. This is no HTML, or it is damaged; save it again"])
    return text, told


def _decoded(content: bytes) -> tuple[str, str]:
    for mark, name in _MARKS:
        if content.startswith(mark):
            text = content[len(mark) :].decode(name, errors="replace")
            return text, "" if name == "utf-8" else "the file is UTF-16, and was read as that"
    said = _said(content)
    for name in dict.fromkeys([said or "utf-8", "utf-8"]):
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        if name == "utf-8":
            return text, ""
        return (
            text,
            f"the file says that it is {name.replace('cp125', 'windows-125')}, and was read as that; look at letters with accents",
        )
    text = content.decode("windows-1252", errors="replace")
    return text, "the file is not UTF-8 and was read as windows-1252; look at letters with accents, or save it as UTF-8"


def _said(content: bytes) -> str | None:
    """The encoding that a file names in its head, if it is one in which its head can be read."""
    found = _SAID.search(content[:_HEAD])
    if not found:
        return None
    name = found.group(1).decode("ascii").lower()
    try:
        known = codecs.lookup(_WIDER.get(name, name)).name
    except LookupError:
        return None
    return known if known in _PLAIN or known.startswith(("cp125", "iso8859-")) else None
