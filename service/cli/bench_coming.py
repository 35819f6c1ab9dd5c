"""`broadsheet bench …`: how much comes in a second. Sign-ups, leaving, files of readers, SendGrid's events."""

import click

from service.cli import bench_frame
from service.cli.bench_frame import home, show
from service.cli.frame import as_json, command, say
from service.cli.groups import benches
from service.lab import bench_flood, bench_import, bench_signup, bench_unsubscribe, bench_webhooks


@command(benches, example="broadsheet bench signup --seconds 5")
@bench_frame.seconds
@as_json
def signup(seconds: float, as_json: bool) -> None:
    """Sign-ups a second through the hosted form, over real HTTP, while everything runs but the worker that answers them; once with that
    worker, too, which takes its share of the same processors.

    The yardstick is /healthz of the same server in the same run: its share says what a sign-up costs wherever it is measured.
    """
    with home() as folder:
        found = bench_signup.run(folder, seconds, say)
    show(
        found,
        f"Median of {len(found['runs'])} runs: [bold]{found['signups_per_second']:,.0f} sign-ups/s[/bold], p50 {found['p50_ms']:.0f} ms,"
        f" p99 {found['p99_ms']:.0f} ms; {found['ratio']:.0%} of /healthz. With the worker that answers them:"
        f" {found['answering']['signups_per_second']:,.0f}/s.",
        as_json=as_json,
    )


@command(benches, name="import", example="broadsheet bench import --readers 1000000 --json")
@click.option(
    "--readers", type=click.IntRange(1000, 5_000_000), default=100_000, show_default=True, help="Rows of the file."
)
@bench_frame.times
@click.option(
    "--after",
    type=click.IntRange(0, 1_000_000),
    default=0,
    show_default=True,
    help="Readers who were imported before, and their tables analysed.",
)
@as_json
def import_(readers: int, times: int, after: int, as_json: bool) -> None:
    """How fast a file of readers is imported, with validation, consent records and a report of its bad rows.

    The yardstick is one bare COPY of the same rows in the same run. Fails when a row is unaccounted for, or an act has no record.
    """
    with home() as folder:
        found = bench_import.run(folder, readers, times, say, after=after)
    show(
        found,
        f"Median of {times}: {found['rows']:,} rows in [bold]{found['seconds']:.1f} s[/bold], {found['rows_per_second']:,.0f} rows/s, {found['ratio']:.0f} times"
        f" a bare COPY; the same file again {found['again_s']:.1f} s; the importing process at most {found['importer_memory_mib']:.0f} MiB.",
        as_json=as_json,
    )


@command(benches, example="broadsheet bench unsubscribe --seconds 5 --json")
@bench_frame.seconds
@as_json
def unsubscribe(seconds: float, as_json: bool) -> None:
    """Readers a second who leave by one click (RFC 8058), with real links over real HTTP, while everything runs.

    The yardstick is /healthz of the same server in the same run. Fails when somebody who was told that they left has not.
    """
    with home() as folder:
        found = bench_unsubscribe.run(folder, seconds, say)
    show(
        found,
        f"Median of {len(found['runs'])} runs: [bold]{found['leaves_per_second']:,.0f} leaves/s[/bold], p50 {found['p50_ms']:.0f} ms,"
        f" p99 {found['p99_ms']:.0f} ms; {found['ratio']:.0%} of /healthz.",
        as_json=as_json,
    )


@command(benches, example="broadsheet bench webhooks --events 300000 --json")
@click.option(
    "--events", type=click.IntRange(300, 5_000_000), default=100_000, show_default=True, help="Told in three parts."
)
@as_json
def webhooks(events: int, as_json: bool) -> None:
    """How fast SendGrid's events are taken in: signed payloads over real HTTP, then the worker's part, then all of it again.

    The yardstick is one bare COPY of the same events in the same run. Fails when an event is lost, or counted twice.
    """
    with home() as folder:
        found = bench_webhooks.run(folder, events, say)
    show(
        found,
        f"Median of {len(found['runs'])} parts of {events:,} events: intake [bold]{found['intake_per_second']:,.0f} events/s[/bold] (p50 {found['hook_p50_ms']:.0f} ms,"
        f" p99 {found['hook_p99_ms']:.0f} ms), ingest [bold]{found['ingest_per_second']:,.0f} events/s[/bold] ({found['ingest_ratio']:.1%} of a bare COPY),"
        f" the same again {found['replay_per_second']:,.0f} events/s; {found['bytes_an_event']} bytes an event.",
        as_json=as_json,
    )


@command(benches, example="broadsheet bench flood --readers 100000 --events 100000 --json")
@click.option("--readers", type=click.IntRange(100, 1_000_000), default=100_000, show_default=True)
@click.option(
    "--events", type=click.IntRange(100, 1_000_000), default=100_000, show_default=True, help="Posted in all."
)
@bench_frame.latency
@bench_frame.workers
@as_json
def flood(readers: int, events: int, latency: float, workers: int, as_json: bool) -> None:
    """What a flood of events costs an issue that is being sent: repeated up to 46 times, shuffled, reversed, a day late, all at once.

    The yardstick is an issue to the same readers without events in the same run. Fails when the flood leaves another end state
    than the same events once and in order.
    """
    with home() as folder:
        found = bench_flood.run(folder, readers, events, latency, workers, say)
    show(
        found,
        f"{found['events']:,} events at once: [bold]{found['flooded_per_second']:,} readers/s[/bold] instead of"
        f" {found['undisturbed_per_second']:,} ([bold]{found['ratio']:.0%}[/bold]); hooks answered in {found['hook_p50_ms']:.0f} ms,"
        f" p99 {found['hook_p99_ms']:.0f} ms; all taken in {found['settled_after_s']:.0f} s after the issue; the end state is the same.",
        as_json=as_json,
    )
