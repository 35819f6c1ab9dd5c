"""`broadsheet bench …`: how it grows, and how others do."""

from pathlib import Path

import click

from service.cli.bench_frame import home, show
from service.cli.frame import as_json, command, say
from service.cli.groups import benches
from service.errors import Invalid
from service.lab import bench_growth, bench_peers

FEWEST = 200


def _sizes(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    words = value.split(",")
    if not all(word.strip().isascii() and word.strip().isdigit() for word in words):
        raise Invalid(f"--sizes: {value} is no list of numbers. Write such as 10000,100000.")
    sizes = sorted({int(word) for word in words})
    if len(sizes) < 2 or sizes[0] < FEWEST:
        raise Invalid(f"--sizes: give at least two sizes, of {FEWEST} readers or more.")
    return sizes


@command(benches, example="broadsheet bench growth --plot docs/growth.svg --json")
@click.option(
    "--sizes", callback=_sizes, default="10000,100000,1000000", show_default=True, help="Readers, with commas between."
)
@click.option(
    "--times",
    type=click.IntRange(1, 20),
    default=3,
    show_default=True,
    help=f"Issues of each size up to {bench_growth.LARGE:,}; larger ones are sent once.",
)
@click.option("--with-import", is_flag=True, help="Import a file of as many readers, too.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write the plot there, as SVG."
)
@as_json
def growth(sizes: list[int], times: int, with_import: bool, plot: Path | None, as_json: bool) -> None:
    """How time and memory of a sending grow with the number of readers, as exponents: 1 is in proportion, 0 is not at all.

    Each size is measured as by `bench send`, in a fresh installation.
    """
    with home() as folder:
        found = bench_growth.run(folder, sizes, times, say, with_import=with_import)
    if plot is not None:
        plot.write_text(bench_growth.picture(found), encoding="utf-8")
    rows = bench_growth.table(found)
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        say("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    whole = found["exponents"]["total_s"]["all"]
    show(
        found, f"From {sizes[0]:,} to {sizes[-1]:,} readers the whole sending grows as n^{whole:.2f}.", as_json=as_json
    )


@command(benches, example="broadsheet bench peers --readers 2000 --json")
@click.option("--readers", type=click.IntRange(100, 200_000), default=2000, show_default=True)
@click.option(
    "--times", type=click.IntRange(1, 20), default=3, show_default=True, help="Issues of each; medians count."
)
@as_json
def peers(readers: int, times: int, as_json: bool) -> None:
    """The same issue to the same readers by this service and by django-newsletter, each into a sink on this machine.

    That one is installed from PyPI into an environment of its own, removed afterwards; without a network only ours is measured.
    Fails when one of them missed a reader.
    """
    with home() as folder:
        found = bench_peers.run(folder, readers, times, say)
    told = (
        f"[bold]{found['times_as_fast']:,.0f} times[/bold] as fast as {bench_peers.PEER}"
        if found["peer"]
        else found["skipped"]
    )
    show(found, f"{found['readers']:,} readers, an issue of {found['html_kb']:.0f} KB: {told}", as_json=as_json)
