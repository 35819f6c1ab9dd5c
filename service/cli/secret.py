"""`broadsheet secrets`: new keys, and the end of old ones."""

from pathlib import Path

import click

from service import identity, settings
from service.cli.frame import actor, command, counted, say
from service.cli.groups import secrets as group
from service.operations import backing_up, secret_keys
from service.running import database, refuse_while_up, servers


@command(group, example="broadsheet secrets rotate")
def rotate() -> None:
    """Sign links by a new key from now on. Links in mails already sent go on working, and nobody is signed out.

    With SECRET_KEYS in the environment it changes nothing: it prints a new key on stdout, and how to bring it in.
    """
    chosen = settings.load()
    refuse_while_up(chosen)
    with database(chosen):
        if secret_keys.are_in_the_home():
            keys = secret_keys.rotate(actor=actor())
            say(
                f"New links are signed by a new key; {counted(keys - 1, 'older key')} still open what they signed. Back up the keys anew: `broadsheet backup … --keys …`."
            )
            return
    say("Your keys come from the environment: nothing was changed. A new key is on stdout. To bring it in:")
    say("1. Put it LAST in SECRET_KEYS of every process, and restart them: now all can read what it will sign.")
    say("2. Move it to the front everywhere, and restart again: now it signs. Keep the old ones after it.")
    click.echo(identity.new_key())


@command(group, example="broadsheet secrets retire")
@click.option("--yes", is_flag=True, help="Do not ask.")
def retire(yes: bool) -> None:
    """Forget all keys but the newest: leave links in mails that the others signed stop working.

    Only when an old key was stolen. With SECRET_KEYS in the environment, take the old ones out first.
    """
    chosen = settings.load()
    refuse_while_up(chosen)
    with servers(chosen):
        if not yes:
            click.confirm("Leave links in mails already sent will stop working. Go on?", abort=True)
        retired = secret_keys.retire(actor=actor())
    say(f"{counted(retired, 'key')} retired." if retired else "There was no older key.")


@command(group, "import", example="broadsheet secrets import /safe/broadsheet-20260503T020000Z.keys")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key-file", type=click.Path(path_type=Path), help="With the key that they were encrypted with.")
def import_keys(file: Path, key_file: Path | None) -> None:
    """Put keys that were backed up into the home, before its backup is restored. Those that are there are kept beside them.

    With SECRET_KEYS in the environment it prints them on stdout as settings instead.
    """
    chosen = settings.load()
    refuse_while_up(chosen)
    keys = secret_keys.read_keys(file, backing_up.read_key(key_file) if key_file else None)
    if not chosen.embedded:
        say("Your keys come from the environment: nothing was changed. Set these:")
        click.echo(f"SECRET_KEYS={keys['secret_keys']}\nADDRESS_KEY={keys['address_key']}")
        return
    settings.configure(chosen)
    kept = secret_keys.take(keys)
    say(
        f"The keys are in the home; those before are in {kept}. Now restore the backup."
        if kept
        else "These are the keys that are there."
    )
