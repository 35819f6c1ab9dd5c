"""Somebody of the team in a browser, and what is looked at on every screen that they come to."""

import os
from pathlib import Path

from playwright.sync_api import Page

from tests import axe


def kept() -> Path | None:
    """The folder where pictures are kept: BROADSHEET_PICTURES, or none."""
    if not (named := os.environ.get("BROADSHEET_PICTURES")):
        return None
    Path(named).mkdir(parents=True, exist_ok=True)
    return Path(named)


class Walk:
    """A browser, what it complained of, and pictures of where it has been."""

    def __init__(self, page: Page, name: str) -> None:
        self.page, self._pictures, self._name, self._number = page, kept(), name, 0
        self.complaints: list[str] = []
        page.on(
            "console",
            lambda line: (
                self.complaints.append(f"{line.text} {line.location} {page.url}") if line.type == "error" else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def look(self, called: str) -> None:
        """Look at the screen at the size of a desk, by day and by night, and on a telephone, and photograph it where pictures
        are kept; let axe look at both schemes."""
        self._number += 1
        for width, scheme in ((1280, "light"), (375, "dark"), (320, "light"), (1280, "dark")):
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            where = f"{called} at {width} in the {scheme}"
            wide, narrow = self.page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            if wide > narrow:
                self.complaints.append(f"{where}: scrolls sideways, {wide} in {narrow}")
            if self._pictures and width != 320:
                self.page.screenshot(
                    path=self._pictures / f"{self._name}-{self._number:02d}-{called}-{width}-{scheme}.png",
                    full_page=True,
                )
            if width == 1280:
                self.complaints += [f"{where}: {one}" for one in axe.grave(self.page)]
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.emulate_media(color_scheme="light")
