"""`broadsheet backup` and `broadsheet restore`."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from service import settings
from service.cli.frame import actor, as_json, command, counted, fail, logs_apart, plain, say, screen, show_json
from service.cli.groups import root
from service.clients import postgresql
from service.clients.postgresql import Programs
from service.operations import backing_up, restoring
from service.operations.backing_up import Backup
from service.operations.restoring import Restored
from service.running import bundled_programs, looking, refuse_while_up, servers
from service.settings import Settings

key_option = click.option(
    "--key-file", type=click.Path(path_type=Path), help="A file with the key or passphrase, of 16 characters or more."
)


@command(root, example="broadsheet backup /backups --key-file backup.key --keys /elsewhere/keys --keep 14")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@key_option
@click.option(
    "--keys",
    "keys_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Another folder, for a copy of the keys.",
)
@click.option("--keep", type=click.IntRange(1), help="Delete older backups in the folder, but for so many in all.")
@click.option("--no-trial", is_flag=True, help="Do not try it out: then nobody knows whether it can be restored.")
@as_json
def backup(
    folder: Path, key_file: Path | None, keys_folder: Path | None, keep: int | None, no_trial: bool, as_json: bool
) -> None:
    """Back up the database, pictures, designs and evidence, encrypted where a key is given, and try the backup out.

    It can run while everything runs. The keys (SECRET_KEYS, ADDRESS_KEY) are not in it: --keys copies them to a folder apart.
    """
    chosen = settings.load()
    secret = backing_up.read_key(key_file) if key_file else None
    with _ended_kindly(), looking(chosen, behind=True) as connected, screen.status("Backing up…"):
        made = backing_up.back_up(
            folder.absolute(),
            programs=_programs(connected),
            secret=secret,
            keys_folder=keys_folder.absolute() if keys_folder else None,
            keep=keep,
            try_it=not no_trial,
            actor=actor(),
        )
    if as_json:
        show_json(asdict(made))
    else:
        _show_backup(made)
    if made.findings:
        sys.exit(1)


def _show_backup(made: Backup) -> None:
    say(f"{made.file}: {made.size / 1e6:,.1f} MB, {made.rows:,} rows, {counted(made.files, 'file')}.")
    if made.tried:
        say("[green]Tried out[/green]: loaded into a new database, every table counted, the evidence verified.")
    else:
        say("[yellow]Not tried out.[/yellow]")
    if made.findings:
        say(
            f"[red]{counted(made.findings, 'thing')} in the evidence of consent is not as it was written[/red], in the backup as here: `broadsheet consent verify`. The backup is kept."
        )
    if not made.encrypted:
        say("[yellow]Not encrypted[/yellow]: whoever gets hold of the file has every reader. Give a key by --key-file.")
    if made.keys:
        say(f"Keys: {made.keys}")
    else:
        say(
            "The keys are not in it. Keep them apart, by --keys or otherwise: without them no leave link works, and nobody who left is recognised."
        )
    if made.bucket:
        say(
            f"Pictures lie in the bucket {plain(made.bucket)}: what this machine has of them is in the backup; back up the bucket too."
        )
    if made.removed:
        say(f"{counted(made.removed, 'older backup')} deleted.")


@command(root, example="broadsheet restore /backups/broadsheet-20260503T020000Z.backup --key-file backup.key")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@key_option
@click.option("--replace", is_flag=True, help="Put a database that is in use aside for it.")
@click.option(
    "--erasures",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with certificates of erasures that were kept elsewhere.",
)
@click.option(
    "--drop-old", is_flag=True, help="Delete the databases that restoring has put aside, and do nothing else."
)
@click.option("--finish", is_flag=True, help="Bring a restore to its end that was broken off, and do nothing else.")
@as_json
def restore(
    file: Path | None,
    key_file: Path | None,
    replace: bool,
    erasures: Path | None,
    drop_old: bool,
    finish: bool,
    as_json: bool,
) -> None:
    """Restore a backup. Nothing is sent from it by itself, and whoever was erased since is erased again.

    Stop everything first. The present database is kept under another name until --drop-old.
    """
    if [file is not None, drop_old, finish].count(True) != 1:
        fail(["Name the backup's file, or give --drop-old, or --finish."], code=2, as_json=as_json)
    chosen = settings.load()
    secret = backing_up.read_key(key_file) if key_file else None
    refuse_while_up(chosen)
    with _ended_kindly(), servers(chosen) as connected, logs_apart(connected), screen.status("Working…"):
        if finish:
            _show_finished(restoring.finish(), as_json)
            return
        if file is None:
            _show_dropped(restoring.drop_old(actor=actor()), as_json)
            return
        found = restoring.restore(
            file.absolute(),
            programs=_programs(connected),
            secret=secret,
            replace=replace,
            erasures=erasures,
            actor=actor(),
        )
    if as_json:
        show_json(asdict(found))
    else:
        _show_restored(found)
    if found.findings:
        sys.exit(1)


def _show_dropped(names: list[str], as_json: bool) -> None:
    if as_json:
        show_json({"dropped": names})
    else:
        say(f"Deleted: {', '.join(names)}." if names else "There was none.")


def _show_finished(was_broken_off: bool, as_json: bool) -> None:
    if as_json:
        show_json({"finished": was_broken_off})
    elif was_broken_off:
        say(
            'Finished: the restored database is in place, and so are its digests. Nothing is sent until you decide: `broadsheet epoch accept --reason "…"`.'
        )
    else:
        say("There was nothing to finish: the database is as it was before, or restored wholly.")


def _show_restored(found: Restored) -> None:
    say(f"[green]Restored[/green]: the database is as it was at {found.made_at}; {found.rows:,} rows.")
    say(
        f"{counted(found.certificates, 'certificate')} of erasure read, {counted(found.erased, 'reader')} erased again."
    )
    say(f"{counted(found.files, 'picture or design file')} written.")
    if found.different_files:
        say(
            f"[yellow]{found.different_files:,} files here differ from the backup's[/yellow] and were left as they are."
        )
    if found.digests_aside:
        say(
            f"[yellow]{counted(found.digests_aside, 'digest')} of later[/yellow] went into a folder of their own in digests/: keep them, they say which acts are lost."
        )
    if found.findings:
        say(
            f"[red]{counted(found.findings, 'thing')} in the evidence of consent is not as it was written[/red]: `broadsheet consent verify`."
        )
    if found.bucket:
        say(f"Pictures also lie in the bucket {plain(found.bucket)}.")
    say(
        f"The database that was there is kept as {found.old}; once all is well, delete it with `broadsheet restore --drop-old`, while nothing runs."
    )
    say(
        f"{counted(found.carried.left, 'subscription')} ended and {found.carried.suppressed:,} addresses suppressed, as in the database that was there."
        if found.carried.known
        else "Who left since the backup is not known here: look at SendGrid's unsubscribes, and suppress them."
    )
    say(
        f'[bold]Nothing is sent until you decide[/bold]: {counted(found.held, "issue")} would have gone out. `broadsheet epoch accept --reason "…"`.'
    )


def _programs(connected: Settings) -> Programs:
    return postgresql.programs(connected.database_owner_url, bundled_programs())


@contextmanager
def _ended_kindly() -> Iterator[None]:
    """SIGTERM ends this as Ctrl-C does: with everything cleared away."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
