"""Puts the plain-text part together: name, title, body, notes, and the footer with leave link and postal address."""

from lxml.html import HtmlElement

from service.rendering import plaintext, web_version
from service.rendering.design import Masthead, sender_and_address
from service.rendering.phrases import phrases
from service.rendering.placing import Placements
from service.rendering.wrapping import WIDTH, wrap


def compose(
    masthead: Masthead,
    *,
    title: HtmlElement | None,
    body: HtmlElement,
    notes: HtmlElement,
    placements: Placements,
) -> str:
    """The text part with its placeholders. `title` is None where the body has its own."""

    def place_url(url: str) -> str:
        return placements.place(url, "url")

    words = phrases(masthead.language)
    sections = [masthead.name]
    if title is not None and (words_of_title := plaintext.blocks_of(title, place_url)):
        sections.append(plaintext.heading(words_of_title, "="))
    sections.append(plaintext.blocks_of(body, place_url))
    if written := plaintext.notes_of(notes, place_url):
        sections += [plaintext.heading(words.notes, "-"), written]
    sections.append("_" * WIDTH)
    sections.append("\n".join(wrap(words.why.format(name=masthead.name))))
    if masthead.has_archive:
        sections.append(web_version.lines(words.browser))
    sections.append(f"{words.leave}:\n<{placements.leave_url('text')}>")
    sections.append("\n".join(sender_and_address(masthead)))
    return placements.place("\n\n".join(section for section in sections if section), "text") + "\n"
