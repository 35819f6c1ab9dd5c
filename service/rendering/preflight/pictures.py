"""Rules on pictures: what is said where they are not shown, and room kept for them before they are."""

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from lxml.html import HtmlElement

from service.rendering.pictures import MAX_WIDTH
from service.rendering.preflight.facts import Facts
from service.rendering.preflight.findings import Finding
from service.rendering.preflight.mail import Mail, words_of

FRAME = 600
MANY_LETTERS = 200


def check(mail: Mail, _facts: Facts) -> Iterator[Finding]:
    """What is wrong with each picture, and with a mail that is hardly anything else."""
    found = list(mail.tree.iter("img"))
    for picture in found:
        yield from _picture(mail, picture)
    if found and len(words_of(mail.tree)) < MANY_LETTERS * len(found) and len(found) > 2:
        yield Finding(
            "warns",
            "pictures-mostly",
            f"{len(found)} pictures and hardly any words; many programs show no pictures at first",
            "the pictures",
            "Say in words what the pictures say.",
        )


def _picture(mail: Mail, picture: HtmlElement) -> Iterator[Finding]:
    source = str(picture.get("src") or "")
    name = unquote(urlsplit(source).path.rpartition("/")[2]) or source[:40]
    where = mail.place(str(picture.get("alt") or "") or name, otherwise=f"picture {name}")
    if picture.get("alt") is None:
        yield Finding(
            "blocks",
            "picture-without-words",
            f"the picture {name} says nothing to who cannot see it",
            where,
            "Write ![what it shows](…), or mark it as decorative.",
        )
    if source.lower().startswith(("data:", "cid:")):
        yield Finding(
            "blocks",
            "picture-embedded",
            "a picture inside the mail itself: most mail programs do not show it",
            where,
            "Put the picture beside the text and name its file.",
        )
        return
    width, height = str(picture.get("width") or ""), str(picture.get("height") or "")
    if source.startswith("https:") and not (width.isdigit() and height.isdigit()):  # others were not found at all
        yield Finding(
            "warns",
            "picture-without-size",
            f"the picture {name} has no size: the text jumps when it appears, and Outlook shows it as large as it is",
            where,
            "Put the picture beside the text: its size is then written into the mail.",
        )
    if width.isdigit() and int(width) > (FRAME if "logo" in str(picture.get("class")) else MAX_WIDTH):
        yield Finding(
            "warns",
            "picture-too-wide",
            f"the picture {name} is {width} pixels wide; the column has {MAX_WIDTH}",
            where,
            f"Make it at most {MAX_WIDTH} pixels wide.",
        )
