"""`broadsheet doctor`: what is wrong with this installation, and what to do about it."""

import os
import sys

from rich.text import Text

from service import log, running, settings
from service.cli.frame import as_json, command, counted, say, screen, show_json
from service.cli.groups import root
from service.embedded import EmbeddedError
from service.errors import BroadsheetError
from service.operations import diagnosing
from service.operations.diagnosing import Finding, Surroundings

_MARKS = {"ok": ("✓", "green"), "unknown": ("?", "cyan"), "warning": ("!", "yellow"), "fault": ("✗", "red")}


@command(root, example="broadsheet doctor")
@as_json
def doctor(as_json: bool) -> None:
    """Look at servers, queues, duties, the public address, SendGrid and more, and say what to mend, and how.

    Starts nothing and changes nothing; works while the service runs, and while it does not. Ends with 1 where something is
    broken, with 0 where all is well or merely doubtful.
    """
    found = diagnosing.diagnose(_surroundings())
    broken = diagnosing.is_broken(found)
    if as_json:
        show_json({"ok": not broken, "findings": diagnosing.as_dict(found)})
    else:
        _show(found)
    sys.stdout.flush()
    sys.exit(1 if broken else 0)


def _surroundings() -> Surroundings:
    """What there is to look at, as far as it can be known without starting anything."""
    chosen, problems = settings.examine(os.environ)
    # What a look makes the parts log would only say it a second time.
    log.configure("error", chosen.log_format)
    try:
        chosen = running.as_it_runs(chosen)
    except EmbeddedError as error:
        problems = (*problems, f"BROADSHEET_HOME: {error}")
    except BroadsheetError as error:
        problems = (*problems, str(error))
    except (OSError, TypeError, ValueError):
        problems = (
            *problems,
            "run/servers.json in the home is damaged. Start `broadsheet up` again, which writes it anew.",
        )
    return Surroundings(chosen, problems, os.environ)


def _show(found: dict[str, list[Finding]]) -> None:
    width = max(map(len, found))
    for name, findings in found.items():
        for number, one in enumerate(findings):
            mark, colour = _MARKS[one.level]
            # Text of others is not markup: it is never read as such.
            line = Text.assemble((mark, colour), f" {'' if number else name:<{width}}  {_sentence(one.text)}")
            screen.print(line, soft_wrap=True)
            if one.remedy and one.level != "ok":
                screen.print(Text(f"  {'':<{width}}  → {one.remedy}"), soft_wrap=True)
    levels = [one.level for findings in found.values() for one in findings]
    faults, warnings = levels.count("fault"), levels.count("warning")
    say(f"{counted(faults, 'fault')}, {counted(warnings, 'warning')}." if faults or warnings else "Nothing is broken.")


def _sentence(text: str) -> str:
    """With a capital, unless it begins with an address, a host or a path."""
    return text[:1].upper() + text[1:] if text.split()[0].isalpha() else text
