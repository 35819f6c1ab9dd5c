"""The pictures of an incoming text: those inside it are taken out and named, those elsewhere are told of."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote, unquote_to_bytes

from lxml.html import HtmlElement

from service.rendering.incoming_document import Piece
from service.rendering.incoming_report import Report, quoted
from service.rendering.incoming_styles import declarations

INSIDE = "inside:"
_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"))
_OTHERS = (
    (b"\x01\x00\x00\x00", "EMF"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
    (b"RIFF", "WebP"),
)
_NOT_SHOWN = re.compile(r"\.(emf|wmf|emz|wmz|svg|tiff?|bmp|webp|heic|pict?|eps|pdf)$", re.IGNORECASE)
_DATA = re.compile(r"data:([^,]{0,200}?),(.*)", re.DOTALL | re.IGNORECASE)
_CALLED = re.compile(r"(?:clip_image|image|img|picture|bild|图片)?[\s_-]*\d*(?:\.\w{3,4})?", re.IGNORECASE)


class Pictures:
    """Those of one document. `given`: pictures that came with it, by the number after `inside:`."""

    def __init__(self, report: Report, stem: str, given: Mapping[str, bytes] | None = None) -> None:
        self._report = report
        self._stem = stem
        self._given = given or {}
        self._names: dict[str, str] = {}
        self.taken: dict[str, bytes] = {}

    def piece(self, image: HtmlElement) -> Piece | None:
        """The picture as Markdown would show it, or None where nothing can be shown."""
        source = str(image.get("src") or "").strip()
        if _is_pixel(image):
            self._report.at(image, "a picture of one pixel was left out: it only counted who opened it")
            return None
        name = self._name(image, source)
        if name is None:
            return None
        decorative = image.get("role") in ("presentation", "none") or image.get("aria-hidden") == "true"
        alt = " ".join(str(image.get("alt") or "").split())
        if not alt and not decorative:
            self._report.at(
                image,
                f"the picture {unquote(name)} has no words for those who cannot see it; write ![what it shows](…)",
            )
        elif alt and _CALLED.fullmatch(alt):
            self._report.at(image, f"the picture {unquote(name)} is described as {quoted(alt)} only; say what it shows")
        title = " ".join(str(image.get("title") or "").split())
        return Piece("picture", name, alt=alt, title="decorative" if decorative and not alt else title)

    def _name(self, image: HtmlElement, source: str) -> str | None:
        if source.startswith(INSIDE):
            return self._take(image, self._given.get(source.removeprefix(INSIDE), b""))
        if source[:5].lower() == "data:":
            return self._take(image, _data(source))
        if source.startswith("//"):
            source = f"https:{source}"
        if source.lower().startswith(("https://", "http://")):
            return self._remote(image, source)
        path = unquote(re.split(r"[?#]", source, maxsplit=1)[0])
        name = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:", "", re.split(r"[\\/]", path)[-1])
        if not name:
            self._report.at(image, "a picture without an address was left out")
            return None
        if _NOT_SHOWN.search(name):
            self._report.at(image, f"the picture {name} cannot be shown; save it as PNG")
            return None
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|[\\/]|\.\.", source):
            name = name.split("@", 1)[0] if source.lower().startswith("cid:") else name
            self._report.at(image, f"the picture {name} did not come with the text; put it beside the letter")
            return quote(name)
        return quote(unquote(source))

    def _remote(self, image: HtmlElement, source: str) -> str:
        if source.lower().startswith("http:"):
            self._report.at(image, f"the picture {source} is not secure; save it and put it beside the letter")
        else:
            self._report.at(
                image, f"the picture {source} stays on another site, which sees who opens the mail; better save it"
            )
        return source

    def _take(self, image: HtmlElement, content: bytes) -> str | None:
        kind = next((kind for start, kind in _SIGNATURES if content.startswith(start)), None)
        words = quoted(str(image.get("alt") or ""))
        if kind is None:
            other = next((kind for start, kind in _OTHERS if content.startswith(start)), None)
            what = f"a picture ({other})" if other else "a picture"
            said = "cannot be shown; save it as PNG" if content else "is damaged and was left out; put it in again"
            self._report.at(image, f"{what} {words}{' ' if words else ''}{said}")
            return None
        known = hashlib.sha256(content).hexdigest()
        if known not in self._names:
            self._names[known] = f"{self._stem}-{len(self._names) + 1}.{kind}"
            self.taken[self._names[known]] = content
        return self._names[known]


def _data(source: str) -> bytes:
    """The bytes of a data: address; nothing where they cannot be read."""
    found = _DATA.match(source)
    if not found:
        return b""
    if not found.group(1).lower().replace(" ", "").endswith(";base64"):
        return unquote_to_bytes(found.group(2))
    try:
        return base64.b64decode(re.sub(r"\s+", "", unquote(found.group(2))), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_pixel(image: HtmlElement) -> bool:
    style = declarations(str(image.get("style") or ""))
    sizes = [str(image.get(name) or style.get(name, "")).removesuffix("px").strip() for name in ("width", "height")]
    return any(size in ("0", "1", "2") for size in sizes) and all(size in ("0", "1", "2", "") for size in sizes)
