"""How long each page takes at a number of readers, and how much it weighs, beside a page that does nothing on the same server. The
pages are those that the application has: one that is added is measured. Refuses to call a refusal a page: what answers otherwise
than 200 is named as not measured."""

import gzip
import http.client
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from werkzeug.routing import Rule

from service import factory
from service.errors import BroadsheetError
from service.lab import bench, filling
from service.operations import counting, operators, segments, signing_in, tagging
from service.settings import Settings

PAGE_MS, SEARCH_MS = 100, 200
PAGE_KB, EDITOR_KB = 150, 350
SEARCHES = {
    "name": "nor",
    "family name": "smi",
    "address": "reader00012",
    "whole address": "reader0000123@inbox.example.net",
    "domain": "@readers.example",
    "organisation": "firm 12",
    "nobody": "zzzz",
}
LEFT_OUT = {
    "status.readyz",
    "admin_signing_in.sign_in",
    "admin_audit.export",
}
"""Pages for who is not signed in yet, and whole tables; and what answers with 503 while workers are busy."""
PARTS = {"admin_audience.expected", "admin_sending.ready", "admin_editor.preflight"}
"""What a page asks for when it is there already, and somebody reads it: exact counts, and what preflight finds."""
_ASSET = re.compile(r'(?:href|src|data-vendor)="(/static/[^"]+\.(?:css|js)[^"]*|/n/[^"]+\.css[^"]*)"')


def run(home: Path, readers: int, times: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Fill a fresh installation and measure each page so many times."""
    machine = bench.machine()
    with bench.fresh(home) as chosen:
        made = filling.fill(chosen, readers, say)
        filling.settle(chosen)
        counting.count_issues()
        with _Browser(chosen) as browser:
            for _ in range(20):
                browser.get("/healthz")
            yardstick = [browser.timed("/healthz")[0] for _ in range(50)]
            asked = [_measured(browser, name, path, times, say) for name, path in _paths(chosen, made)]
            searches = [_searched(browser, name, words, times) for name, words in SEARCHES.items()]
    answered = [one for one in asked if one["status"] == 200]
    pages = [one for one in answered if one["page"] not in PARTS]
    if failed := [one["page"] for one in asked if one["status"] >= 500]:
        raise BroadsheetError(f"These pages failed: {', '.join(failed)}.")
    return {
        "readers": readers,
        "healthz_p50_ms": round(bench.percentile(yardstick, 0.5), 1),
        "pages": sorted(pages, key=lambda one: -one["p95_ms"]),
        "searches": searches,
        "too_slow": [one["page"] for one in pages if one["p95_ms"] > PAGE_MS]
        + [one["page"] for one in searches if one["p95_ms"] > SEARCH_MS],
        "too_heavy": [one["page"] for one in pages if one["kb"] > (EDITOR_KB if "editor" in one["page"] else PAGE_KB)],
        "parts": [one for one in answered if one["page"] in PARTS],
        "not_measured": [one["page"] for one in asked if one not in answered],
        "machine": machine | {"load_after": bench.load_average()},
    }


def line(one: dict[str, Any]) -> str:
    """A page's numbers as a line."""
    weight = f", {one['kb']:>5.0f} KB at first" if "kb" in one else ""
    return f"{one['p50_ms']:>8.1f} ms p50 {one['p95_ms']:>8.1f} ms p95{weight}  {one['page']}"


class _Browser:
    """A connection that stays open, signed in as an owner."""

    def __init__(self, chosen: Settings) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", chosen.port, timeout=120)
        address, password = "bench@harbour-lane.example", secrets.token_hex(16)
        operators.create(address, name="Bench", role="owner", actor="bench", password=password)
        token = signing_in.sign_in(address, password, origin={"network": "127.0.0.0/24", "user_agent": "Firefox"})
        self._headers = {"Cookie": f"operator={token}", "Accept-Encoding": "gzip"}

    def __enter__(self) -> "_Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> tuple[int, bytes, bool]:
        """Status, body as it travelled, and whether that was compressed."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read(), answer.headers.get("Content-Encoding") == "gzip"

    def timed(self, path: str) -> tuple[float, int, bytes]:
        """Milliseconds until the last byte, status, text."""
        begun = time.perf_counter()
        status, body, is_compressed = self.get(path)
        spent = (time.perf_counter() - begun) * 1000
        return spent, status, gzip.decompress(body) if is_compressed else body

    def weight(self, path: str) -> int:
        """Bytes of the page, its styles and its scripts, as they travel when nothing is kept from before."""
        _, body, is_compressed = self.get(path)
        text = (gzip.decompress(body) if is_compressed else body).decode(errors="replace")
        assets = dict.fromkeys(_ASSET.findall(text))
        return len(body) + sum(len(self.get(one.replace("&amp;", "&"))[1]) for one in assets)


def _measured(browser: _Browser, name: str, path: str, times: int, say: Callable[[str], None]) -> dict[str, Any]:
    first, status, _ = browser.timed(path)
    spent = [browser.timed(path)[0] for _ in range(times)]
    found = {
        "page": name,
        "status": status,
        "first_ms": round(first, 1),
        "p50_ms": round(bench.percentile(spent, 0.5), 1),
        "p95_ms": round(bench.percentile(spent, 0.95), 1),
        "kb": round(browser.weight(path) / 1000, 1),
    }
    say(line(found))
    return found


def _searched(browser: _Browser, name: str, words: str, times: int) -> dict[str, Any]:
    path = f"/admin/readers?words={words.replace(' ', '+').replace('@', '%40')}"
    browser.timed(path)
    spent = [browser.timed(path)[0] for _ in range(times)]
    return {
        "page": f"search by {name}",
        "p50_ms": round(bench.percentile(spent, 0.5), 1),
        "p95_ms": round(bench.percentile(spent, 0.95), 1),
    }


def _paths(chosen: Settings, made: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Every page that can be asked for without a token, with something in each of its places."""
    things = _things(chosen, made)
    for rule in sorted(factory.create_app(chosen).url_map.iter_rules(), key=lambda one: str(one.endpoint)):
        if (
            rule.endpoint.startswith("api_team.")
            or "GET" not in (rule.methods or ())
            or rule.endpoint in LEFT_OUT
            or not rule.arguments <= set(things)
        ):
            continue
        here = things | ({"issue_id": made["sent"]} if rule.endpoint.startswith("admin_report") else {})
        yield rule.endpoint, _path(rule, here)


def _path(rule: Rule, things: dict[str, Any]) -> str:
    built = rule.build({name: things[name] for name in rule.arguments})
    return built[1] if built else "/"


def _things(chosen: Settings, made: dict[str, int]) -> dict[str, Any]:
    with filling.connected(chosen) as connection:
        reader, delivery = connection.execute(
            "SELECT subscriber_id, id FROM deliveries WHERE issue_id = %s AND subscriber_id = (SELECT max(id) / 2 FROM subscribers)",
            (made["sent"],),
        ).fetchone() or (0, 0)
    tag = tagging.add(reader, "Benchmark", actor="bench")
    german = [[{"what": "language", "how": "is", "value": "de"}]]
    return {
        "slug": "benchmark",
        "issue_id": made["draft"],
        "subscriber_id": reader,
        "delivery_id": delivery,
        "number": 1,
        "tag_id": tag,
        "segment_id": segments.save(made["newsletter"], "German", german, actor="bench")[0],
        "operator_id": 1,
    }
