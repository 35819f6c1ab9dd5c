"""The sign-up form for other sites' pages: plain HTML, which needs no script, no style and nothing else of ours. Refuses to
be made for a newsletter that takes no sign-ups."""

from functools import partial

from jinja2 import Environment, FileSystemLoader

from service.domain.languages import match
from service.languages import say
from service.operations.signup_forms import form_for
from service.operations.signup_tickets import Ticket
from service.settings import ROOT, current

_TEMPLATES = Environment(
    loader=FileSystemLoader(ROOT / "templates" / "web" / "public"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


def embed_form(slug: str, language: str) -> str:
    """The form to paste into a page, with today's words. When these change, whoever sends it is shown the new ones on our own
    page, with what they typed. Raises NotFound."""
    form = form_for([slug], match(language) or language)
    (offer,) = form.offers
    return _TEMPLATES.get_template("embed.html").render(
        form=form,
        offer=offer,
        id=f"signup-{slug}",
        ticket=Ticket.new("embed", form.language, form.slugs).sealed(),
        action=f"{current().public_url}/subscribe?lang={form.language}",
        say=partial(say, form.language),
    )
