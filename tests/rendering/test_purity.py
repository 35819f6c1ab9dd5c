"""Rendering depends on what it is given and on nothing else: not on the process, its hash seed, time zone, locale or folder."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.settings import ROOT

TEXT = """---
subject: News for {{ first_name | default: "you" }} 三月
preheader: What changed; und was zu tun ist.
---

# News of March 三月新闻

Dear {{ first_name | upcase | default: "reader" }}, see [the guide](https://www.example.com/?o={{ office | default: "x" }}) and [below](#two).[^a]

![A harbour](a.png "The quay.")

| Office | Fee |
|:--|--:|
| İstanbul ǆ ß | 1,000.50 |

## Two

> Word by word.

1. First[^b]
2. Second

[^a]: Transfers Act, section 14, https://law.example/14.
[^b]: Another.
"""
RENDER = """
import json, sys
from dataclasses import asdict
from service.rendering.newsletter import Masthead, Picture, render
from service.rendering.webpage import Words, web_page
from service.rendering.mime import Mail, raw
given = json.load(sys.stdin)
masthead = Masthead("Data Letter", "Harbour & Lane LLP", "4 Grain Quay", brand_colour="#7a1f2b", design=given["design"], has_archive=True)
found = render(given["text"], masthead, fields={"office", "firm", "city"}, pictures={"a.png": Picture("https://news.example/a.png", 1072, 420)})
page = web_page(found.html, found.tags, language="en", media=lambda source: source, words=Words("b", "%(number)s", "t", "p"))
mail = raw(Mail(("A", "a@a.example"), ("B", "b@b.example"), None, found.subject, found.text, found.html, "https://a.example/u/x", "<a.example>"))
print(json.dumps([repr(found), repr(page), mail.decode()]))
"""
PROCESSES = [
    {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Shanghai", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "C", "LANG": "zh_CN.GB18030", "PYTHONUTF8": "0"},
    {"PYTHONHASHSEED": "random", "TZ": "Pacific/Kiritimati", "PYTHONOPTIMIZE": "1"},
]
DESIGNS = sorted(path.parent.name for path in (ROOT / "templates" / "newsletters").glob("*/layout.html"))


@pytest.mark.parametrize("design", DESIGNS)
def test_the_same_text_has_the_same_bytes_in_every_process(design: str, tmp_path: Path) -> None:
    given = json.dumps({"text": TEXT, "design": design}).encode()
    found = []
    for number, environ in enumerate(PROCESSES):
        folder = tmp_path / str(number)
        folder.mkdir()
        kept = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", RENDER],
            input=given,
            capture_output=True,
            env=kept | environ,
            cwd=folder,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        found.append(done.stdout)
    assert json.loads(found[0])[0].startswith("Rendered(")
    assert len({hashlib.sha256(one).hexdigest() for one in found}) == 1
