"""Journeys may use a real browser, too."""

from tests.browser.conftest import look

__all__ = ["look"]
