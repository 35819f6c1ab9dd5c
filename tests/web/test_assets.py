"""Style sheets and scripts are asked for once, and travel compressed."""

import gzip
import re
import urllib.request

from service.settings import ROOT

STATIC = ROOT / "service" / "web" / "static"


def ask(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, b"", dict(error.headers)


def addresses(web: str) -> list[str]:
    page = ask(f"{web}/admin/sign-in")[1].decode()
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', page)


def test_every_address_carries_a_version_and_is_kept_for_ever(web: str) -> None:
    found = addresses(web)
    assert len(found) >= 3
    for one in found:
        assert re.search(r"\?v=[0-9a-f]{12}$", one)
        _, body, headers = ask(web + one, Accept_Encoding="gzip")
        assert "immutable" in headers["Cache-Control"]
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == (STATIC / one.split("/static/")[1].split("?")[0]).read_bytes()
        status, _, _ = ask(web + one, Accept_Encoding="gzip", If_None_Match=headers["ETag"])
        assert status == 304


def test_another_version_is_not_kept_and_who_cannot_unpack_gets_it_plain(web: str) -> None:
    one = addresses(web)[0].split("?")[0]
    _, body, headers = ask(f"{web}{one}?v=000000000000")
    assert "immutable" not in headers.get("Cache-Control", "")
    assert "Content-Encoding" not in headers
    assert body == (STATIC / one.removeprefix("/static/")).read_bytes()


def test_pages_are_not_compressed(web: str) -> None:
    assert "Content-Encoding" not in ask(f"{web}/admin/sign-in", Accept_Encoding="gzip")[2]
