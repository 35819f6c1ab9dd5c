"""A mail drawn by the real Chromium: by day and by night, with and without pictures, and cut off from everything."""

import http.server
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from service import settings
from service.clients import chromium
from service.clients.chromium import VIEWS, View, photograph
from service.errors import BroadsheetError
from tests.clients.pictures import saved
from tests.conftest import CHROMIUM, missing

MAIL = """<!DOCTYPE html><html><head><meta charset="utf-8"><style>
body { margin: 0; background: #ffffff; } @media (prefers-color-scheme: dark) { body { background: #101010 !important; } }
</style></head><body><div style="height: 1500px">%s</div></body></html>"""
PHONE, NIGHT, BARE = View("phone", 375), View("night", 375, "dark"), View("bare", 375, pictures=False)
PLACE = (200, 1400)


@pytest.fixture(autouse=True)
def _wired(tmp_path: Path) -> None:
    settings.configure(settings.load({"BROADSHEET_HOME": str(tmp_path / "home")}))


@pytest.fixture
def _chromium() -> None:
    if not Path(CHROMIUM).exists():
        missing("Chromium")


def drawn(html: str, *views: View) -> list[Image.Image]:
    return [Image.open(BytesIO(content)).convert("RGB") for _view, content in photograph(html, views)]


@pytest.mark.browser
@pytest.mark.usefixtures("_chromium")
def test_day_and_night_and_pictures_off_differ_and_the_whole_height_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "blue.png").write_bytes(saved(Image.new("RGB", (300, 300), "#0000ff"), "PNG"))
    html = MAIL % f'<img src="{(tmp_path / "blue.png").as_uri()}" width="300" height="300" alt="blue">'
    day, night, bare = drawn(html, PHONE, NIGHT, BARE)
    assert {one.size for one in (day, night, bare)} == {(375, 1500)}
    assert [one.getpixel(PLACE) for one in (day, night, bare)] == [(255, 255, 255), (16, 16, 16), (255, 255, 255)]
    assert day.getpixel((150, 150)) == night.getpixel((150, 150)) == (0, 0, 255)
    assert bare.getpixel((150, 150)) == (255, 255, 255)


@pytest.mark.browser
@pytest.mark.usefixtures("_chromium")
def test_the_six_views_are_phone_and_desk_by_day_by_night_and_without_pictures() -> None:
    found = list(photograph(MAIL % "words"))
    assert [view.name for view, _ in found] == [
        "375-light", "375-dark", "375-without-pictures", "680-light", "680-dark", "680-without-pictures",
    ]  # fmt: skip
    assert [Image.open(BytesIO(content)).width for _, content in found] == [375] * 3 + [680] * 3
    assert len(VIEWS) == 6


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that a mail must not reach, and what it was asked."""
    paths: list[str] = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            return None

    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.browser
@pytest.mark.usefixtures("_chromium")
def test_a_mail_reaches_nobody_and_runs_nothing(asked: tuple[str, list[str]], tmp_path: Path) -> None:
    url, paths = asked
    secret = tmp_path / "secret.html"
    secret.write_text("<body style='background: #ff0000'>")
    [picture] = drawn(
        MAIL
        % (
            f'<img src="{url}/img"><link rel="stylesheet" href="{url}/css"><script src="{url}/js"></script>'
            f'<iframe src="{secret.as_uri()}" style="position: absolute; top: 0; left: 0; width: 375px; height: 900px; border: 0"></iframe>'
            '<script>document.body.style.background = "#00ff00"</script>'
        ),
        PHONE,
    )
    assert paths == []
    assert picture.getpixel(PLACE) == (255, 255, 255), "no script ran"
    assert picture.getpixel((100, 500)) != (255, 0, 0), "no other file was shown"


def test_without_chromium_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BroadsheetError, match=r"apt install chromium"):
        chromium.find()


def test_a_wrong_chrome_is_named(tmp_path: Path) -> None:
    settings.configure(replace(settings.current(), chrome=str(tmp_path / "gone")))
    with pytest.raises(BroadsheetError, match=r"CHROME names .*gone"):
        chromium.find()


@pytest.mark.parametrize("ending", ["exit 1", "sleep 600"])
def test_a_chromium_that_does_not_draw_is_given_up(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "chrome"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\n{ending}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    settings.configure(replace(settings.current(), chrome=str(program)))
    monkeypatch.setattr(chromium, "PATIENCE", 1.0)
    with pytest.raises(BroadsheetError, match=r"Chromium (did not finish|ended before|could not)"):
        drawn("x", PHONE)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
