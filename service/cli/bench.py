"""`broadsheet bench …`: what this machine can do, measured on a fresh installation that is removed afterwards. Here: what goes out,
and what pages cost."""

import sys

import click

from service.cli.bench_frame import home, show
from service.cli.frame import as_json, command, say
from service.cli.groups import benches
from service.lab import bench_confirmations, bench_pages, bench_render, bench_send

GOOD = 5.0
"""Seconds within which every confirmation should leave."""


@command(benches, example="broadsheet bench confirmations --readers 100000 --json")
@click.option("--readers", type=click.IntRange(100, 1_000_000), default=100_000, show_default=True)
@click.option(
    "--per-second", type=click.FloatRange(0.1, 20), default=2.0, show_default=True, help="Sign-ups meanwhile."
)
@as_json
def confirmations(readers: int, per_second: float, as_json: bool) -> None:
    """How long readers wait for their confirmation mail while a large issue is being sent.

    Exit 0 only if every one leaves within five seconds.
    """
    with home() as folder:
        found = bench_confirmations.run(folder, readers, per_second, say)
    show(
        found,
        f"{found['signups']} sign-ups, {found['during_the_issue']} of them while the issue to {readers:,} readers was being sent"
        f" ({found['issue_seconds']:.0f} s): p50 [bold]{found['p50_s']:.2f} s[/bold], p95 [bold]{found['p95_s']:.2f} s[/bold],"
        f" longest {found['max_s']:.2f} s.",
        as_json=as_json,
    )
    sys.exit(0 if found["max_s"] <= GOOD else 1)


@command(benches, example="broadsheet bench render --times 5 --json")
@click.option("--times", type=click.IntRange(3, 100), default=5, show_default=True, help="Runs of each; medians count.")
@as_json
def render(times: int, as_json: bool) -> None:
    """What it costs to render and inline an issue of 60 KB; needs no servers.

    The yardstick is premailer alone on the same page in the same run.
    """
    found = bench_render.run(times, say)
    show(
        found,
        f"Medians of {times} runs: [bold]{found['warm_s'] * 1000:.0f} ms[/bold] warm, {found['cold_s'] * 1000:.0f} ms cold (and"
        f" {found['import_s']:.1f} s to import); premailer alone {found['bare_premailer_s'] * 1000:.0f} ms, so all is {found['ratio']:.2f} times it;"
        f" at most {found['memory_mib']:.0f} MiB.",
        as_json=as_json,
    )


@command(benches, example="broadsheet bench pages --readers 1000000 --json")
@click.option("--readers", type=click.IntRange(1000, 2_000_000), default=10_000, show_default=True)
@click.option("--times", type=click.IntRange(3, 200), default=20, show_default=True, help="Each page is asked for.")
@as_json
def pages(readers: int, times: int, as_json: bool) -> None:
    """How long every page takes at so many readers, and how much it weighs; searches, too.

    The yardstick is /healthz of the same server in the same run. A fresh installation is filled for it, which takes minutes
    for a million.
    """
    with home() as folder:
        found = bench_pages.run(folder, readers, times, say)
    for one in found["searches"]:
        say(bench_pages.line(one))
    told = f"above the bar: {', '.join(found['too_slow'])}" if found["too_slow"] else "none above the bar"
    heavy = f"too heavy: {', '.join(found['too_heavy'])}" if found["too_heavy"] else "none too heavy"
    show(
        found,
        f"{len(found['pages'])} pages at {readers:,} readers ({bench_pages.PAGE_MS} ms a page, {bench_pages.SEARCH_MS} ms a search): {told}; {heavy}."
        f" /healthz {found['healthz_p50_ms']} ms.",
        as_json=as_json,
    )


@command(benches, example="broadsheet bench send --readers 1000000 --workers 8 --json")
@click.option("--readers", type=click.IntRange(100, 10_000_000), default=100_000, show_default=True)
@click.option(
    "--latency",
    type=click.FloatRange(0, 5000),
    default=100.0,
    show_default=True,
    help="Milliseconds until the sink answers.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Requests under way at once on each machine.",
)
@click.option(
    "--hosts",
    type=click.IntRange(1, 4),
    default=1,
    show_default=True,
    help="Homes with workers of their own, on the first one's servers.",
)
@click.option("--times", type=click.IntRange(1, 20), default=3, show_default=True, help="Issues; medians count.")
@as_json
def send(readers: int, latency: float, workers: int, hosts: int, times: int, as_json: bool) -> None:
    """How fast an issue leaves: from Send until its ledger is closed, into a sink that answers every request with 202.

    The yardstick is the same requests, built before, posted with the same concurrency, and one bare INSERT … SELECT of as many
    rows. Fails when the sink did not get every reader exactly once, whichever machine sent it.
    """
    with home() as folder:
        found = bench_send.run(folder, readers, latency, workers, say, hosts=hosts, times=times)
    show(
        found,
        f"Median of {times}: {found['readers']:,} readers in [bold]{found['total_s']:.1f} s[/bold]: frozen in {found['freeze_s']:.1f} s ({found['freeze_ratio']} times a bare"
        f" INSERT), handed over at [bold]{found['hand_off_per_second']:,.0f} readers/s[/bold] ({found['hand_off_ratio']:.0%} of bare posts);"
        f" {found['bytes_a_delivery']} bytes a delivery; batches by machine: {', '.join(map(str, found['batches_by_host'].values()))}.",
        as_json=as_json,
    )
