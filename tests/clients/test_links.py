"""Asking for links: what counts as dead, how long it may take, and where it must never lead."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.clients import links
from service.clients.link_cache import KEPT, MOST, LinkCache
from service.clients.links import Answer
from service.clients.reach import Refused, place
from tests.clients.names import LOCAL, Names
from tests.clients.sites import Site, site


@pytest.fixture
def local() -> Iterator[Site]:
    with site() as running:
        yield running


def ask(*urls: str, resolver: Names = LOCAL, allow_loopback: bool = True, budget: float = 10) -> list[Answer]:
    return list(links.check(urls, resolver=resolver, allow_loopback=allow_loopback, budget=budget).values())


def test_only_what_is_certainly_gone_is_dead(local: Site) -> None:
    answers = ask(*(local.url(f"/status/{code}") for code in (200, 404, 410, 401, 403, 429, 500, 503)))
    assert [one.state for one in answers] == ["alive", "dead", "dead", *["unknown"] * 5]
    assert answers[1].why == "404 Not Found"


def test_a_name_that_does_not_exist_is_dead_and_one_that_nobody_can_look_up_is_unknown() -> None:
    names = Names({("silent.test", "A"): None})
    gone, silent = ask("https://gone.test/", "https://silent.test/", resolver=names)
    assert (gone.state, gone.why) == ("dead", "there is no site gone.test")
    assert silent.state == "unknown"


@pytest.mark.parametrize("code", [403, 404, 405, 410, 501])
def test_who_does_not_like_head_is_asked_by_get(local: Site, code: int) -> None:
    assert ask(local.url(f"/get-only/{code}")) == [Answer("alive", "200 OK")]
    assert [method for method, _path in local.asked] == ["HEAD", "GET"]


def test_it_says_who_asks_and_names_the_site(local: Site) -> None:
    ask(local.url("/ok#place"), local.url("/ok?a=b c&ü"))
    assert local.agents == {links.USER_AGENT}
    assert local.hosts == {f"site.test:{local.port}"}
    assert {path for _method, path in local.asked} == {"/ok", "/ok?a=b%20c&%C3%BC"}


def test_redirects_are_followed_five_times(local: Site) -> None:
    once = f"/to?{local.url('/ok')}"
    assert ask(local.url(once)) == [Answer("alive", "200 OK")]
    chain = "/ok"
    for _ in range(5):
        chain = f"/to?{chain}"
    assert ask(local.url(chain))[0].state == "alive"
    assert ask(local.url(f"/to?{chain}"))[0] == Answer("unknown", "it was redirected more than 5 times")
    assert ask(local.url("/round"))[0].state == "unknown"


def test_two_hundred_links_some_of_them_slow_take_less_than_twenty_seconds(local: Site) -> None:
    urls = [local.url(f"/slow/{2 if number % 20 == 0 else 0.05}?{number}") for number in range(198)]
    started = time.monotonic()
    answers = ask(*urls, local.url("/status/404?a"), local.url("/drip"), budget=links.BUDGET)
    assert time.monotonic() - started < 20
    assert [one.state for one in answers[:198]] == ["alive"] * 198
    assert [one.state for one in answers[198:]] == ["dead", "unknown"]
    assert 8 < local.most_at_once <= links.AT_ONCE


def test_the_whole_check_ends_within_its_budget(local: Site) -> None:
    started = time.monotonic()
    answers = ask(*(local.url(f"/slow/4?{number}") for number in range(40)), budget=1)
    assert time.monotonic() - started < 2
    assert {one.state for one in answers} == {"unknown"}


def test_name_servers_that_are_slow_do_not_hold_up_the_whole() -> None:
    slow = Names({("slow.test", "A"): ["127.0.0.1"]}, seconds=3)
    started = time.monotonic()
    assert ask("http://slow.test/", resolver=slow, budget=0.3)[0].why == "there was no time left to ask"
    assert time.monotonic() - started < 2


def test_an_answer_that_drips_is_waited_for_no_longer_than_one_that_does_not_come(local: Site) -> None:
    started = time.monotonic()
    assert ask(local.url("/drip"), budget=20) == [Answer("unknown", "no answer within 5 seconds")]
    assert time.monotonic() - started < links.PATIENCE + 1


def test_an_endless_answer_is_not_read_to_its_end(local: Site) -> None:
    assert ask(local.url("/endless"))[0].state == "unknown"


INTERNAL = [
    "http://127.1/",
    "http://0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:1::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
    "http://[fe80::1%25eth0]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://１２７.０.０.１/",
    "http://internal.test/",
    "http://half.test/",
    "http://six.test/",
]


@pytest.mark.parametrize("url", INTERNAL)
def test_nothing_within_a_network_is_reached(url: str) -> None:
    names = Names(
        {
            ("internal.test", "A"): ["10.1.2.3"],
            ("half.test", "A"): ["93.184.216.34", "127.0.0.1"],
            ("six.test", "AAAA"): ["::ffff:10.0.0.1"],
        }
    )
    with pytest.raises(Refused):
        place(url, names)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://site.test/",
        "ftp://site.test/",
        "javascript:alert(1)",
        "//site.test/",
        "http://public.test:22/",
        "http://public.test:6379/",
        "http://public.test:99999/",
        "http://user:password@public.test/",
        "http:///path",
        "http://[::1/",
        "http://1.2.3.4.5/",
    ],
)
def test_nothing_but_pages_is_asked_for(url: str) -> None:
    with pytest.raises(Refused):
        place(url, Names({("public.test", "A"): ["93.184.216.34"], ("site.test", "A"): ["93.184.216.34"]}))


def test_what_is_public_is_asked_for() -> None:
    names = Names({("public.test", "A"): ["93.184.216.34"], ("xn--mnchen-3ya.test", "AAAA"): ["2606:2800:220:1::1"]})
    assert place("https://public.test/a?b", names).address == "93.184.216.34"
    assert place("https://münchen.test", names).address == "2606:2800:220:1::1"


def test_leave_to_reach_this_machine_is_leave_to_reach_nothing_else() -> None:
    for url in ("http://10.0.0.1/", "http://169.254.169.254/", "http://[fe80::1]/", "http://0/"):
        with pytest.raises(Refused):
            place(url, LOCAL, allow_loopback=True)


def test_without_that_leave_this_machine_is_not_asked(local: Site) -> None:
    for host in ("site.test", "127.0.0.1", "127.1", "2130706433"):
        assert ask(local.url("/ok", host), allow_loopback=False)[0].state == "unknown"
    assert local.asked == []


def test_a_redirect_into_a_network_is_not_followed(local: Site) -> None:
    names = Names({("site.test", "A"): ["127.0.0.1"], ("inside.test", "A"): ["10.0.0.1"]})
    for target in ("http://inside.test/", "http://169.254.169.254/", "file:///etc/passwd", "gopher://x.test/"):
        answer = ask(local.url(f"/to?{target}"), resolver=names)[0]
        assert answer.state == "unknown"
        assert "internet" in answer.why or "is not asked for" in answer.why


def test_a_name_that_resolves_otherwise_the_second_time_is_connected_to_where_it_was_judged(local: Site) -> None:
    """The name is loopback, which this test allows; later it would be another place. One question, one connection."""
    names = Names({("site.test", "A"): [["127.0.0.1"], ["10.0.0.1"]]})
    assert ask(local.url("/ok"), resolver=names)[0].state == "alive"
    assert names.asked == [("site.test", "A")]


def test_a_name_that_turns_inwards_between_two_hops_is_refused(local: Site) -> None:
    names = Names({("site.test", "A"): [["127.0.0.1"], ["10.0.0.1"]]})
    assert ask(local.url(f"/to?{local.url('/ok')}"), resolver=names)[0].why == "it is not on the public internet"
    assert len(local.asked) == 1


def test_answers_are_kept_for_a_day_and_doubts_are_not(local: Site, tmp_path: Path) -> None:
    urls = [local.url(path) for path in ("/ok", "/status/404", "/status/500")]
    now = [1000.0]
    path = tmp_path / "links.json"
    for expected in (4, 5):
        cache = LinkCache(path, clock=lambda: now[0])
        links.check(urls, resolver=LOCAL, cache=cache, allow_loopback=True)
        assert len(local.asked) == expected, "the second time only the doubtful one is asked for"
    now[0] += KEPT.total_seconds() + 1
    links.check(urls, resolver=LOCAL, cache=LinkCache(path, clock=lambda: now[0]), allow_loopback=True)
    assert len(local.asked) == 9


def test_what_is_kept_is_bounded_and_a_damaged_file_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "links.json"
    path.write_text('{"a": 1}')
    cache = LinkCache(path)
    assert cache.get("a") is None
    cache.keep({f"https://a.test/{number}": ("alive", "200 OK") for number in range(MOST + 500)})
    assert path.read_text().count("https://") == MOST
    assert path.stat().st_mode & 0o077 == 0
    assert [one.name for one in tmp_path.iterdir()] == ["links.json"]
