"""Commands on newsletters."""

from pathlib import Path
from typing import Any

import click

from service import settings
from service.cli.frame import actor, as_json, command, fail, plain, say, show_json
from service.cli.groups import newsletters
from service.domain.newsletter_rules import TRACKING_POLICIES
from service.languages import LANGUAGES
from service.operations import newsletter_making, newsletter_settings, wording_history
from service.operations.embedding import embed_form
from service.operations.wordings import PURPOSES
from service.running import database

language_option = click.option("--language", type=click.Choice(list(LANGUAGES)), default="en", show_default=True)


@command(
    newsletters,
    example='broadsheet newsletter create monthly --name "The Monthly" --from news@firm.example --postal-address "1 Quay Street, Harbourton"',
)
@click.argument("slug")
@click.option("--name", required=True, help="What readers know it by.")
@click.option("--from", "sender_address", required=True, help="The sender's address.")
@click.option(
    "--from-name",
    "sender_name",
    help="Who sends it, as mails and the boxes to tick say; the newsletter's name if not given.",
)
@click.option("--reply-to", help="Where answers go.")
@click.option("--postal-address", required=True, help="Shown at the foot of every mail, as the law asks.")
@click.option("--language", default="en", show_default=True, help="The newsletter's own: en, zh-Hans, de, fr …")
@click.option(
    "--tracking",
    "tracking_policy",
    type=click.Choice(TRACKING_POLICIES),
    default="agreed",
    show_default=True,
    help="Whose opens and clicks are counted.",
)
@click.option("--colour", "brand_colour", default="#1f3a5f", show_default=True, help="Of mastheads, links and buttons.")
@click.option(
    "--design", default="gazette", show_default=True, help="What its mails look like; `design list` names all."
)
@click.option("--maximum-audience", type=click.IntRange(1), help="Hold an issue that is meant for more readers.")
@click.option(
    "--signups/--no-signups",
    "accepts_signups",
    default=True,
    show_default=True,
    help="Let readers sign up by themselves.",
)
@as_json
def create(as_json: bool, slug: str, **words: object) -> None:
    """Create a newsletter."""
    with database(settings.load()) as connected:
        newsletter_id = newsletter_making.create_newsletter(slug, actor=actor(), **words)  # type: ignore[arg-type]
    if as_json:
        show_json({"id": newsletter_id, "slug": slug})
    else:
        say(
            f"Newsletter [bold]{slug}[/bold] created. Next: `broadsheet subscribers import PEOPLE.csv --newsletter {slug} --consent …`"
        )
        if words["accepts_signups"]:
            say(
                f"Readers sign up at {connected.public_url}/n/{slug}; `broadsheet newsletter change --help` shapes that page."
            )


@command(
    newsletters,
    example='broadsheet newsletter change monthly --archive on --field "organisation:Organisation:required" --logo logo.png',
)
@click.argument("slug")
@click.option("--name", help="What readers know it by.")
@click.option("--description", help="One sentence for who thinks of signing up.")
@click.option("--postal-address", help="Shown at the foot of every mail and page.")
@click.option("--reply-to", help='Where answers go; "" for the sender.')
@click.option("--privacy-url", help='Where your privacy notice is; "" for none.')
@click.option(
    "--logo", type=click.Path(path_type=Path), help="A PNG or JPEG file, shown in mails and on the pages for readers."
)
@click.option("--no-logo", is_flag=True, help="Show no logo.")
@click.option("--colour", "brand_colour", help="Such as #1f3a5f.")
@click.option("--design", help="What its mails look like; `design list` names all.")
@click.option("--signups", "accepts_signups", type=click.Choice(["open", "closed"]), help="May readers sign up?")
@click.option(
    "--field",
    "signup_fields",
    multiple=True,
    metavar="NAME[:LABEL][:required]",
    help="What the form asks beside the address; replaces all fields, may be given again.",
)
@click.option("--no-fields", is_flag=True, help="Ask for the address only.")
@click.option(
    "--origin",
    "allowed_origins",
    multiple=True,
    metavar="URL",
    help="A site whose scripts may sign readers up; replaces all, may be given again.",
)
@click.option("--no-origins", is_flag=True, help="No site may.")
@click.option(
    "--export-consent",
    "needs_export_consent",
    type=click.Choice(["asked", "not-asked"]),
    help="Mail only who has agreed to the transfer abroad.",
)
@click.option(
    "--archive", "has_archive", type=click.Choice(["on", "off"]), help="May anybody read the issues on the web?"
)
@click.option("--welcome", help='What the welcome mail says; "" for our words.')
@click.option("--no-welcome", is_flag=True, help="Send no welcome mail.")
@click.option(
    "--tracking",
    "tracking_policy",
    type=click.Choice(TRACKING_POLICIES),
    help="Whose opens and clicks are counted.",
)
@click.option("--time-zone", help="Such as Europe/Berlin: in which dates are shown.")
@click.option("--from", "sender_address", help="The sender's address.")
@click.option("--from-name", "sender_name", help="Who sends it, in the letters of English.")
@click.option("--subject-prefix", help='Before every subject, such as [AD]; "" for none.')
@click.option("--maximum-audience", help='Hold an issue that is meant for more readers; "" for no bound.')
@click.option("--undo-seconds", help="How long a sending on the web can be taken back, 10 to 60.")
@click.option("--typed-above", help="Above so many readers, whoever sends on the web types their number.")
@click.option(
    "--approval",
    "needs_approval",
    type=click.Choice(["asked", "not-asked"]),
    help="Must a second person approve an issue?",
)
@as_json
def change(slug: str, as_json: bool, **words: Any) -> None:
    """Change what is given, and nothing else."""
    changes = _changes(words)
    if not changes:
        fail(["Say what to change; --help names it all."], code=2, as_json=as_json)
    with database(settings.load()):
        found = newsletter_settings.change(slug, actor=actor(), **changes)
    if as_json:
        show_json(found)
        return
    say(f"Newsletter [bold]{slug}[/bold] changed.")
    missing = found["readers"]["without_export_consent"]
    if found["needs_export_consent"] and missing:
        say(
            f"[yellow]![/yellow] {missing:,} of its {found['readers']['active']:,} readers have not agreed to the transfer abroad: they get no issue until they do."
        )
    if "has_archive" in changes and found["has_archive"]:
        say(
            f"Issues made from now on are in it; `broadsheet issue archive ISSUE --yes` adds one that is there already. It is at /n/{slug}/archive."
        )


_SWITCHES = {
    "accepts_signups": "open",
    "has_archive": "on",
    "needs_export_consent": "asked",
    "needs_approval": "asked",
}
"""Setting → the word that switches it on."""
_NONE: dict[str, tuple[str, Any]] = {
    "no_logo": ("logo", None),
    "no_welcome": ("welcome", None),
    "no_fields": ("signup_fields", []),
    "no_origins": ("allowed_origins", []),
}
"""Option → the setting that it empties."""


def _changes(words: dict[str, Any]) -> dict[str, Any]:
    """The settings that were named. Ends with a problem where one is both given and emptied."""
    changes = {
        name: value == _SWITCHES[name] if name in _SWITCHES else list(value) if isinstance(value, tuple) else value
        for name, value in words.items()
        if name not in _NONE and value is not None and value != ()
    }
    for option, (name, nothing) in _NONE.items():
        if words[option] and name in changes:
            raise click.UsageError(f"--{option.replace('_', '-')} contradicts what is given beside it; leave one out.")
        if words[option]:
            changes[name] = nothing
    return changes


@command(newsletters, example="broadsheet newsletter show monthly")
@click.argument("slug")
@as_json
def show(slug: str, as_json: bool) -> None:
    """Every setting of a newsletter, and how many readers it has."""
    with database(settings.load()):
        found = newsletter_settings.show(slug)
    if as_json:
        show_json(found)
        return
    for name, value in found.items():
        words = "our words" if name == "welcome" and value == "" else _in_words(value)
        say(f"{name.replace('_', ' '):<22} {plain(words).replace(chr(10), ', ')}")


def _in_words(value: Any) -> str:
    """A setting, or the counts of readers, for the eye."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in value.items())
    if isinstance(value, list):
        return ", ".join(_field(one) if isinstance(one, dict) else str(one) for one in value) or "–"
    return "–" if value is None or value == "" else str(value)


def _field(field: dict[str, Any]) -> str:
    return f"{field['name']} (required)" if field.get("required") else str(field["name"])


@command(
    newsletters,
    example='broadsheet newsletter wording monthly tracking --language de --text "Ich bin einverstanden, dass …"',
)
@click.argument("slug")
@click.argument("purpose", type=click.Choice(PURPOSES))
@language_option
@click.option("--text", help="The words, from now on.")
@click.option("--file", type=click.Path(path_type=Path), help="A text file that holds them.")
@click.option("--standard", is_flag=True, help="Show our words again.")
@as_json
def wording(
    slug: str, purpose: str, language: str, text: str | None, file: Path | None, standard: bool, as_json: bool
) -> None:
    """What a reader is asked to agree to: print the words of today, or set them."""
    if (text is not None) + (file is not None) + standard > 1:
        fail(["Give one of --text, --file and --standard."], code=2, as_json=as_json)
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            fail([f"{file.name} is not UTF-8 (byte {error.start:,}). Save it as UTF-8."], code=2, as_json=as_json)
    with database(settings.load()):
        if text is not None or standard:
            newsletter_settings.set_wording(slug, purpose, language, text, actor=actor())
        shown = newsletter_settings.wordings(slug)[language].get(purpose)
    if as_json:
        show_json(
            {"purpose": purpose, "language": language, "wording": shown and shown.text, "asked": shown is not None}
        )
    elif shown is None:
        say("Kept, but not asked: this newsletter does not need that consent." if text else "This is not asked.")
    else:
        click.echo(shown.text)


@command(newsletters, example="broadsheet newsletter wordings monthly --purpose tracking")
@click.argument("slug")
@click.option("--purpose", type=click.Choice(PURPOSES), help="Of one purpose only.")
@as_json
def wordings(slug: str, purpose: str | None, as_json: bool) -> None:
    """Every wording that readers agreed to or are shown, from when to when, and how many agreed."""
    with database(settings.load()):
        found = [one for one in wording_history.history(slug, actor=actor()) if purpose in (None, one.purpose)]
    if as_json:
        show_json([one.to_json() for one in found])
        return
    for one in found:
        until = "today" if one.until is None else f"{one.until:%Y-%m-%d %H:%M %Z}"
        say(
            f"[bold]{one.purpose}[/bold] · {one.language or '–'} · {one.source} · {one.since:%Y-%m-%d %H:%M %Z} to {until} · agreed: {one.readers:,}"
        )
        say(f"  {one.sha256}")
        say(f"  {plain(one.wording)}")
    if not found:
        say("This is not asked, and nobody ever agreed to it.")


@command(newsletters, example="broadsheet newsletter form monthly --language de > form.html")
@click.argument("slug")
@language_option
def form(slug: str, language: str) -> None:
    """Print the sign-up form to paste into a page of yours. It works without script."""
    with database(settings.load()):
        click.echo(embed_form(slug, language))
