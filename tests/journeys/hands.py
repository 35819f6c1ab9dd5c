"""How a reader works a page: with the keyboard alone, or by pointing. Both do the same few things; neither knows what for."""

from typing import Protocol

from playwright.sync_api import Page

_STOP = """
    selector => {
        const here = document.activeElement, style = getComputedStyle(here), box = here.getBoundingClientRect();
        const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
        const seen = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
        return [here.matches(selector), here === document.body || (ring && seen), here.outerHTML.slice(0, 120)];
    }
"""
_MOST_STOPS = 60
_A_MOMENT = 1000  # ms


class Hands(Protocol):
    """What a reader can do. A selector that nothing answers to is an error, and so is one that cannot be reached."""

    def press(self, page: Page, selector: str) -> None: ...

    def write(self, page: Page, selector: str, text: str) -> None: ...

    def tick(self, page: Page, selector: str, *, on: bool = True) -> None: ...

    def choose(self, page: Page, selector: str, value: str) -> None: ...


class Keyboard:
    """Tab until it is reached, and then the key for it. Every stop on the way must show that one is there."""

    def press(self, page: Page, selector: str) -> None:
        self._reach(page, selector)
        page.keyboard.press("Enter")

    def write(self, page: Page, selector: str, text: str) -> None:
        self._reach(page, selector)
        page.keyboard.press("Control+A")
        page.keyboard.type(text)

    def tick(self, page: Page, selector: str, *, on: bool = True) -> None:
        self._reach(page, selector)
        if page.locator(selector).is_checked() is not on:
            page.keyboard.press("Space")
        assert page.locator(selector).is_checked() is on

    def choose(self, page: Page, selector: str, value: str) -> None:
        self._reach(page, selector)
        page.keyboard.press("Home")
        for _ in range(page.locator(f"{selector} option").count()):
            if page.locator(selector).input_value() == value:
                return
            page.keyboard.press("ArrowDown")
        raise AssertionError(f"the arrows never reach {value}")

    def _reach(self, page: Page, selector: str) -> None:
        """Backwards where it lies before the place where one is, as somebody does who went past it."""
        key = "Shift+Tab" if page.evaluate(_LIES_BEFORE, selector) else "Tab"
        for _ in range(_MOST_STOPS):
            page.keyboard.press(key)
            there, shows, what = page.evaluate(_STOP, selector)
            if not shows:  # a machine with much to do may not have scrolled or styled yet; who looks gives it a moment
                page.wait_for_timeout(_A_MOMENT)
                there, shows, what = page.evaluate(_STOP, selector)
            assert shows, f"nobody sees that they are at {what}"
            if there:
                return
        raise AssertionError(f"the keyboard never reaches {selector}")


_LIES_BEFORE = """
    selector => document.activeElement !== document.body && Boolean(
        document.activeElement.compareDocumentPosition(document.querySelector(selector)) & Node.DOCUMENT_POSITION_PRECEDING)
"""


class Pointer:
    """Point at it."""

    def press(self, page: Page, selector: str) -> None:
        page.locator(selector).click()

    def write(self, page: Page, selector: str, text: str) -> None:
        page.locator(selector).fill(text)

    def tick(self, page: Page, selector: str, *, on: bool = True) -> None:
        page.locator(selector).set_checked(on)

    def choose(self, page: Page, selector: str, value: str) -> None:
        page.locator(selector).select_option(value)
