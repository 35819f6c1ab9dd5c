"""What holds for every page on a reader's way: it says its language and speaks no other, fits every screen, and axe finds
nothing grave by day or by night."""

import re
from functools import cache
from typing import Any

from lxml import html
from playwright.sync_api import Page

from service.domain.languages import SOURCE
from service.languages import catalogues
from tests import axe
from tests.web.catalogues import said

WIDTHS = (320, 375, 768, 1280)
SCHEMES: tuple[Any, ...] = ("light", "dark")
_VALUE = re.compile(r"%\(\w+\)[sd]|%%")
_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_SPOKEN = ("alt", "aria-label", "placeholder", "title", "value")


def fits(page: Page) -> None:
    """No width of screen makes the page scroll sideways."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= room == width, f"{page.url} is {wide} pixels wide in {room}"


def nothing_grave(page: Page) -> None:
    """Axe looks at the narrowest and the widest form, light and dark."""
    for width in (WIDTHS[0], WIDTHS[-1]):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert (found := axe.grave(page)) == [], f"{page.url} at {width} pixels, {scheme}: {found}"
    page.emulate_media(color_scheme="light")


def speaks(page: Page, language: str, *, name: str = "") -> None:
    """The page is in that language, but for what says itself that it is in another, and for this proper name."""
    assert page.locator("html").get_attribute("lang") == language
    tree: Any = html.fromstring(page.content())
    for one in tree.xpath("//body//*[@lang]"):
        if one.get("lang") != language:
            one.drop_tree()
    for one in tree.xpath("//script | //style | //head/meta | //head/link | //input[@type='hidden']"):
        one.drop_tree()
    spoken = [str(text) for text in tree.itertext()]
    typed = set(tree.iter("input"))
    spoken += [
        one.get(attribute)
        for one in tree.iter()
        for attribute in _SPOKEN
        if one.get(attribute) and not (attribute == "value" and one in typed)
    ]
    in_language([one.replace(name, "") for one in spoken], language)


def in_language(spoken: list[str], language: str) -> None:
    """None of this is a sentence of ours in another language."""
    pieces = [" ".join(text.split()) for text in spoken if text.strip()]
    whole = " ".join(pieces)
    if language == SOURCE:
        foreign = [one for one in pieces if _CHINESE.search(one)]
    else:
        sentences, fragments = _english(language)
        foreign = [one for one in pieces if one in sentences] + [one for one in fragments if one in whole]
    assert foreign == [], f"not in {language}: {foreign}"


@cache
def _english(language: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The sentences of the source, whether this catalogue has them or not, but for those that it says in the same words; and
    the parts between their values that no proper name could hold by chance."""
    kept = {message.id for message in catalogues.read(language) if message.id == message.string}
    found = {
        text
        for message in said()
        if message.id and message.id not in kept
        for text in ((message.id,) if isinstance(message.id, str) else message.id)
    }
    parts = {" ".join(part.split()) for one in found for part in _VALUE.split(one)}
    return frozenset(found), tuple(sorted(one for one in parts if len(one) >= 12 and " " in one))
