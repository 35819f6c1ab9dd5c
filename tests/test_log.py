"""No address, token, key or password leaves a process by its log, whoever writes the line and in whatever form."""

import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.log import mask
from service.settings import ROOT

TOKEN = "q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h"
KEY = "SG.abcdefghijklmnop.QRSTUVWXYZ012345"
SECRETS = (
    "ann@readers.example",
    "o'neill+news@mail.readers.example",
    "张伟@例子.example",
    "ann%40readers.example",
    "ann@[127.0.0.1]",
    f"https://news.example.com/u/{TOKEN}",
    f"/p/{TOKEN}",
    f"POST /m/{TOKEN} HTTP/1.1",
    f"https://news.example.com/a/{TOKEN}",
    f"/admin/link/WzEsImFi.{TOKEN}.{TOKEN}",
    f"/admin/single-sign-on/back?code={TOKEN}&state={TOKEN}",
    KEY,
    "Bearer 0123456789abcdef",
    "postgresql://broadsheet:hunter2@db.example.com/broadsheet",
    "redis://:hunter2@cache.example.com:6379/0",
    "postgresql+psycopg://broadsheet:hun@ter2@db.example.com/x",
    "host=db password=hunter2 user=broadsheet",
)
REVEALED = (
    "ann",
    "neill",
    "张伟",
    "readers",
    "例子",
    TOKEN,
    "abcdefgh",
    "QRSTUV",
    "0123456789abcdef",
    "hunter2",
    "ter2",
)

# What is logged, in a process of its own: logging is set up once a process, and pytest has its own ideas about it.
WRITE = """
import logging, sys
import structlog
from service import log
log.configure(sys.argv[2], sys.argv[1])
ours, theirs = structlog.get_logger("service.ours"), logging.getLogger("library")
def fail(text):
    unseen = "a local variable: ann of readers"
    raise ValueError('refused: "' + text + '"')
for text in sys.stdin.read().splitlines():
    ours.info("line " + text, flat=text, nested={"deep": [text, {"deeper": (text,)}]})
    theirs.warning("theirs %s %s", text, {"nested": [text]})
    try:
        fail(text)
    except ValueError:
        ours.exception("ours failed")
        later = sys.exc_info()
    theirs.error("theirs failed", exc_info=later)
"""


def _written(form: str, level: str = "debug") -> str:
    ended = subprocess.run(
        [sys.executable, "-c", WRITE, form, level],
        input="\n".join(SECRETS),
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "", "logs never mix with results"
    return ended.stderr


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "to={}, next", "'{}'", '"{}"', "<{}>", "({})", '{{"a":"{}"}}', "[{},{}]"])
def test_a_secret_is_masked_whatever_stands_around_it(secret: str, around: str) -> None:
    masked = mask(around.format(secret, secret))
    assert [part for part in REVEALED if part in masked] == []


def test_what_is_no_secret_stays_as_it_is() -> None:
    for text in ("issue 12: 3 of 1,000 @ 20:15", "https://news.example.com/healthz", "batch 7 took 0.3 s", "a @ b.c"):
        assert mask(text) == text


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789._%+-", min_size=1, max_size=64), st.text("abcz-", min_size=1))
def test_no_part_of_any_address_is_left(local: str, domain: str) -> None:
    assert mask(f"x {local}@{domain}.example y") == "x [address] y"


def test_a_long_line_is_masked_in_a_moment() -> None:
    started = time.monotonic()
    mask("a" * 200_000)
    mask("%40" * 20_000)
    assert time.monotonic() - started < 5


def test_text_holds_no_secret_and_no_local_variable() -> None:
    written = _written("text")
    assert written.count("Traceback") == 2 * len(SECRETS)
    assert [part for part in (*REVEALED, "a local variable: ann") if part in _without_source(written)] == []


def test_each_json_line_is_one_object_with_its_traceback_and_no_secret() -> None:
    written = _written("json")
    lines = [json.loads(line) for line in written.splitlines()]
    assert len(lines) == 4 * len(SECRETS)
    assert sum("ValueError: refused" in line.get("exception", "") for line in lines) == 2 * len(SECRETS)
    assert {line["logger"] for line in lines} == {"service.ours", "library"}
    assert [part for part in REVEALED if part in _without_source(written)] == []


def _without_source(written: str) -> str:
    """The program's own text is not what was logged."""
    return written.replace("a local variable: ann of readers", "")


def test_the_level_decides_what_is_written() -> None:
    assert "[info" in _written("text", "info")
    assert "[info" not in _written("text", "warning")


CALL = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
import sendgrid
from service import log
class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(401); self.end_headers()
    def log_message(self, *_): pass
server = HTTPServer(("127.0.0.1", 0), Answer)
Thread(target=server.serve_forever, daemon=True).start()
log.configure("debug", sys.argv[1])
key = "no-known-shape-of-a-key"
client = sendgrid.SendGridAPIClient(key, host=f"http://127.0.0.1:{server.server_port}").client
try:
    client.mail.send.post(request_body={"subject": "a subject that nobody may read in a log"})
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_sendgrid_library_never_writes_the_key_or_the_body(form: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CALL, form],
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "UnauthorizedError\n"
    assert "no-known-shape-of-a-key" not in ended.stderr
    assert "nobody may read" not in ended.stderr
