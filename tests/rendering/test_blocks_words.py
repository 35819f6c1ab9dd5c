"""Whatever is mixed: no word is lost, no place is taken twice, and the same text gives the same bytes."""

from collections.abc import Callable
from urllib.parse import unquote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.personalisation import PLACEHOLDER
from service.rendering.web_version import put
from service.rendering.webpage import Words, web_page
from tests.forms import some
from tests.rendering.rendered import page, rendered

_TAG = '{{ first_name | default: "you" }}'
_WORDS = Words(back="Back", note="Note %(number)s", table="Table", picture="Picture")


class _Author:
    """Writes blocks of words that are each unlike all others, and remembers them."""

    def __init__(self, draw: Callable[..., int]) -> None:
        self.words: list[str] = []
        self.notes: list[str] = []
        self._draw = draw

    def pick(self, most: int) -> int:
        return self._draw(st.integers(0, most))

    def word(self) -> str:
        self.words.append(f"word{len(self.words)}q")
        return self.words[-1]

    def line(self) -> str:
        """A few words, perhaps with a note, a tag, a link, Chinese or a sign that matters elsewhere."""
        word = self.word()
        extras = ["", f" {_TAG}", f" [{word}](https://a.example/?w={_TAG})", " 数据，出境", " %%body%% <b>x</b>", " --"]
        noted = ""
        if self.pick(4) == 0:
            self.notes.append(f"note{len(self.notes)}z")
            noted = f"[^{self.notes[-1]}]"
        return f"{word}{noted}{extras[self.pick(len(extras) - 1)]}"

    def block(self, within: str) -> str:
        line = self.line
        kinds: list[Callable[[], str]] = [
            line,
            lambda: f"{'#' * (2 + self.pick(2))} {line()}",
            lambda: f"- {line()}\n- {line()}",
            lambda: f"> {line()}\n> — {line()}",
            lambda: f"| {line()} | {line()} |\n|---|---|\n| {line()} | {line()} |",
            lambda: f'![A harbour](a.png "{self.word()}")',
        ]
        if within in ("text", "column"):
            kinds += [self.callout, self.card, self.author]
        if within != "author":
            kinds.append(self.button)
        if within == "text":
            kinds += [self.columns, lambda: "## Head\n\n::: contents\n:::"]
        return kinds[self.pick(len(kinds) - 1)]()

    def blocks(self, within: str) -> str:
        return "\n\n".join(self.block(within) for _ in range(1 + self.pick(2)))

    def callout(self) -> str:
        return f"::: callout {self.line()}\n{self.blocks('callout')}\n:::"

    def card(self) -> str:
        picture = "![A harbour](a.png)\n\n" if self.pick(1) else ""
        return f"::: card\n{picture}{self.blocks('card')}\n:::"

    def author(self) -> str:
        picture = "![A harbour](a.png)\n" if self.pick(1) else ""
        return f"::: author\n{picture}**{self.word()}** 林若溪\n{self.line()}\n{self.line()}\n:::"

    def button(self) -> str:
        return f"::: button\n[{self.word()} {_TAG}](https://a.example/{_TAG}--x)\n:::"

    def columns(self) -> str:
        columns = "\n".join(f"::: column\n{self.blocks('column')}\n:::" for _ in range(2 + self.pick(1)))
        return f":::: columns\n{columns}\n::::"


@st.composite
def _texts(draw: Callable[..., int]) -> tuple[str, list[str], list[str]]:
    author = _Author(draw)
    body = "\n\n".join(author.block("text") for _ in range(1 + author.pick(5)))
    notes = "\n".join(f"[^{note}]: {note} {_TAG}" for note in author.notes)
    return f"{body}\n\n{notes}\n", author.words, author.notes


@settings(
    max_examples=some(80), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(_texts())
def test_any_mix_of_blocks_keeps_every_word_and_comes_out_the_same_twice(
    written: tuple[str, list[str], list[str]],
) -> None:
    markdown, words, notes = written
    result = rendered(markdown, has_archive=True)
    assert result == rendered(markdown, has_archive=True)
    web = web_page(result.html, result.tags, language="en", media=str, words=_WORDS)
    seen = page(result)
    for word in (*words, *notes):
        assert word in seen.text_content(), markdown
        assert word in result.text, markdown
        assert word in web.body + web.notes, markdown
    assert set(PLACEHOLDER.findall(result.html + result.text)) <= {tag.placeholder for tag in result.tags}
    ids = [one.get("id") for one in seen.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert all(unquote(link.get("href")[1:]) in ids for link in seen.cssselect('a[href^="#"]'))
    sent = put(rendered(f"---\nnotes: web\n---\n{markdown}", has_archive=True).html, "https://n.example/7")
    assert not [note for note in notes if note in sent]
