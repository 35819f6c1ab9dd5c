"""New keys: links in mails already sent go on working; the wrong keys do not start."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.backup.conftest import Home
from tests.cli.commands import Ended


def secrets(home: Home) -> dict[str, str]:
    found: dict[str, str] = json.loads((home.home / "secrets.json").read_text())
    return found


def answer(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as found:
            return int(found.status)
    except urllib.error.HTTPError as error:
        return error.code


def leave_one_click(url: str) -> int:
    request = urllib.request.Request(url, data=b"List-Unsubscribe=One-Click", method="POST")
    with urllib.request.urlopen(request, timeout=10) as found:
        return int(found.status)


@pytest.mark.timeout(240)
def test_leave_links_in_mails_already_sent_work_after_a_rotation_until_they_are_retired(home: Home) -> None:
    issue = home.fill()
    with home.up() as sandbox:
        home.run("issue", "send", issue, "--wait").succeeded()
        links = {
            name: re.fullmatch(r"<(.*)>", sandbox.messages(f"{name}@readers.example")[0]["headers"]["List-Unsubscribe"])
            for name in ("ann", "bob", "cas")
        }
        assert "Stop it first" in home.run("secrets", "rotate").refused(1)[0]
    before = secrets(home)
    home.run("secrets", "rotate").succeeded()
    after = secrets(home)
    new, *old = after["secret_keys"].split(",")
    assert old == [before["secret_keys"]]
    assert len(new) >= 32
    assert (home.home / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert {**after, "secret_keys": ""} == {**before, "secret_keys": ""}
    urls = {name: found[1] for name, found in links.items() if found}
    with home.up():
        assert answer(urls["ann"]) == 200
        assert leave_one_click(urls["ann"]) == 200
        shown = home.python("__import__('service.tokens', fromlist=['x']).Signer('leave').sign(1)")
        assert answer(f"{urls['ann'].rpartition('/')[0]}/{shown}") == 200, "and so do new ones"
    home.run("secrets", "retire", "--yes").succeeded()
    assert secrets(home)["secret_keys"] == new
    with home.up():
        assert answer(urls["bob"]) == 404


def test_the_wrong_keys_do_not_start(home: Home) -> None:
    home.run("migrate").succeeded()
    path: Path = home.home / "secrets.json"
    first = secrets(home)

    def start(**changed: str) -> Ended:
        path.write_text(json.dumps(first | changed))
        return home.run("migrate")

    key = first["secret_keys"]
    assert "not the keys that this database was made with" in start(secret_keys="k" * 40).refused(1)[0]
    assert "ADDRESS_KEY is not the key" in start(address_key="k" * 40).refused(1)[0]
    start(secret_keys=f"{'n' * 40},{key}").succeeded()
    assert "lacks 1 of the keys" in start(secret_keys="n" * 40).refused(1)[0]
    assert "lacks 1 of the keys" in start(secret_keys=key).refused(1)[0]
    start(secret_keys=f"{key},{'n' * 40}").succeeded()
    # A key that has signed nothing yet may come and go.
    start(secret_keys=f"{key},{'n' * 40},{'m' * 40}").succeeded()
    start(secret_keys=f"{key},{'n' * 40}").succeeded()


@pytest.mark.long
def test_keys_of_the_environment_are_not_changed_but_a_new_one_is_printed(home: Home) -> None:
    keys: dict[str, Any] = {"SECRET_KEYS": "k" * 40, "ADDRESS_KEY": "a" * 40}
    home.run("migrate", **keys).succeeded()
    ended = home.run("secrets", "rotate", **keys).succeeded()
    new = ended.out.strip()
    assert len(new) >= 32
    assert new not in ended.err
    home.run("migrate", **keys | {"SECRET_KEYS": f"{'k' * 40},{new}"}).succeeded()
    home.run("migrate", **keys | {"SECRET_KEYS": f"{new},{'k' * 40}"}).succeeded()
    assert home.run("migrate", **keys).code == 1
    assert "1 key retired" in home.run("secrets", "retire", "--yes", **keys | {"SECRET_KEYS": new}).succeeded().err
    home.run("migrate", **keys | {"SECRET_KEYS": new}).succeeded()
