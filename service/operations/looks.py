"""How a newsletter's mails look: its logo as they show it, and the designs that there are."""

from service.clients import media
from service.errors import Invalid
from service.operations.requests import MEDIA_ORIGIN
from service.rendering import design_files
from service.rendering.pictures import Picture
from service.rendering.problems import RenderError
from service.settings import current


def logo(name: str | None) -> Picture | None:
    """A newsletter's logo with its size. Raises Invalid when it is no longer where it was stored."""
    if name is None:
        return None
    found = media.find(name)
    if found is None:
        raise Invalid(
            "The newsletter's logo is not among the stored pictures any more. Give it again: `broadsheet newsletter change … --logo FILE`."
        )
    stored = media.inspect(found.path.read_bytes(), called="the logo")
    return Picture(f"{MEDIA_ORIGIN}/{name}", stored.width, stored.height)


def design_problems(name: str) -> list[str]:
    """Why mails cannot be poured into that design; nothing when they can."""
    try:
        design_files.find(name, current().designs)
    except RenderError as error:
        return [f"{problem[0].upper()}{problem[1:]}." for problem in error.problems]
    return []


def design_names() -> list[str]:
    """The designs that there are, ours and the team's."""
    return sorted(design_files.folders(current().designs))
