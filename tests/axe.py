"""What axe finds on a page that shuts somebody out."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_GRAVE = ("serious", "critical")
_FIND = "axe.run({resultTypes: ['violations']}).then(found => found.violations.map(one => [one.id, one.impact, one.nodes.map(node => node.target)]))"
_SCRIPT = Axe().axe_script


def grave(page: Page) -> list[str]:
    """Each rule that is seriously or critically broken, and up to five places."""
    # Without movement: axe would measure a colour that is on its way to another.
    page.emulate_media(reduced_motion="reduce")
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SCRIPT)
    return [f"axe: {rule} at {places[:5]}" for rule, impact, places in page.evaluate(_FIND) if impact in _GRAVE]
