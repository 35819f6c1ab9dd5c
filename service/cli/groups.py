"""The tree of commands: `broadsheet`, and its nouns."""

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def root() -> None:
    """A self-hosted email newsletter service that accounts for every copy.

    Try it with `broadsheet demo`; run it with `broadsheet up`.
    """


@root.group(name="newsletter")
def newsletters() -> None:
    """Publications: create, change, show; what readers agree to; the form for your site."""


@root.group(name="subscribers")
def subscribers() -> None:
    """Readers: import, suppress, erase."""


@root.group(name="segment")
def segments() -> None:
    """Parts of a newsletter's readers, by what is known of them."""


@root.group(name="issue")
def issues() -> None:
    """Editions of a newsletter: create, send, watch, stop, decide."""


@root.group(name="alarms")
def alarms() -> None:
    """What went wrong: list, acknowledge."""


@root.group(name="design")
def designs() -> None:
    """What mails look like."""


@root.group(name="consent")
def consent() -> None:
    """Evidence: what was agreed to, and that nobody has changed it since."""


@root.group(name="retention")
def retention() -> None:
    """What is kept for how long: delete what is due."""


@root.group(name="epoch")
def epochs() -> None:
    """Whether the database is the newest that this machine has seen: show, accept, join."""


@root.group(name="secrets")
def secrets() -> None:
    """The keys by which links are signed: rotate, retire, import."""


@root.group(name="bench")
def benches() -> None:
    """Measure this machine, on a fresh installation that is removed afterwards."""


@root.group(name="faults")
def fault_suites() -> None:
    """Break an installation in every way, and see that it keeps its promises."""
