"""The tree of commands: `broadsheet`, and its nouns."""

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def root() -> None:
    """A self-hosted email newsletter service that accounts for every copy.

    Try it with `broadsheet demo`; run it with `broadsheet up`.
    """


@root.group(name="newsletter")
def newsletters() -> None:
    """Publications."""


@root.group(name="subscribers")
def subscribers() -> None:
    """Readers."""


@root.group(name="issue")
def issues() -> None:
    """Editions of a newsletter: create, send, watch, stop, decide."""
