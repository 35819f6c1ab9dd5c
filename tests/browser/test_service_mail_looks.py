"""The service's own mails as readers see them: on a phone and a desk, by day and by night."""

from datetime import UTC, datetime

import pytest

from service.rendering.design import Masthead
from service.rendering.service_mail import Letter, render
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser
SIZES = [(320, "light"), (375, "dark"), (1280, "light"), (1280, "dark")]
KINDS = ("confirm", "known", "welcome", "manage", "change-old", "change-new", "changed")


@pytest.mark.parametrize("brand", ["#1f3a5f", "#f2d024", "#0b0c0e"])
def test_every_mail_fits_and_can_be_read_whatever_the_newsletters_colour(look: Open, brand: str) -> None:
    token = "AbCdEfGhIjKlMnOpQrStUvWxYz01234"
    letter = Letter(
        masthead=Masthead("Datenschutzgrundverordnungsneuigkeiten", "Quay LLP", "1 Quay Street", brand_colour=brand),
        newsletters=["Datenschutzgrundverordnungsneuigkeiten", "数据法通讯"],
        url=f"https://newsletters.quay-and-harbour.example/c/{token}",
        expires_at=datetime(2026, 12, 1, tzinfo=UTC),
        leave_url=f"https://newsletters.quay-and-harbour.example/u/{token}",
        privacy_url="https://www.quay-and-harbour.example/privacy/notice/for/readers/of/our/newsletters",
        welcome="https://www.quay-and-harbour.example/a/very/long/address/without/any/space/in/it/anywhere",
    )
    for width, scheme in SIZES:
        seen = look(width, scheme)
        for kind in KINDS:
            seen.page.set_content(render(kind, "de", letter).html, wait_until="load")
            assert seen.complaints() == [], f"{kind}, {width} pixels, {scheme}"
