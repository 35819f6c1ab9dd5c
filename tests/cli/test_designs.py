"""Designs by command: looked at without servers, chosen for a newsletter, never broken ones."""

import shutil
from pathlib import Path

import lxml.html
import pytest
from PIL import Image

from service.rendering.design_files import DESIGNS
from tests.cli.commands import Commands
from tests.cli.test_newsletters import GOOD
from tests.conftest import Sandbox


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a design of a team's."""
    shutil.copytree(DESIGNS / "letter", tmp_path / "designs" / "quarterly")
    return tmp_path / "designs"


def break_it(own: Path) -> None:
    layout = own / "quarterly" / "layout.html"
    layout.write_text(layout.read_text().replace("<p>%%leave%%</p>", "<script>\n</script>"))


def test_a_design_is_checked_without_servers(broadsheet: Commands, own: Path) -> None:
    folder = own / "quarterly"
    assert "Letter can be used" in broadsheet("design", "check", folder).succeeded().err
    assert broadsheet("design", "check", folder, "--json").succeeded().json == {
        "fit": True,
        "faults": [],
        "title": "Letter",
    }
    break_it(own)
    problems = broadsheet("design", "check", folder).refused()
    assert [problem.split(":")[0] for problem in problems] == ["layout.html"] * 2
    assert any("<script>: no mail program runs it" in problem for problem in problems)
    ended = broadsheet("design", "check", folder, "--json")
    assert ended.code == 2
    assert {(fault["file"], type(fault["line"])) for fault in ended.json["faults"]} == {("layout.html", int)}
    assert broadsheet("design", "check", own / "gone").code == 2


def test_all_designs_are_listed_ours_and_the_teams(broadsheet: Commands, own: Path) -> None:
    shutil.copytree(DESIGNS / "letter", own / "gazette")
    listed = broadsheet("design", "list", "--json", DESIGNS=own).succeeded().json
    assert [(row["name"], row["own"], row["fit"]) for row in listed["designs"]] == [
        ("bulletin", False, True),
        ("gazette", False, True),
        ("letter", False, True),
        ("quarterly", True, True),
    ]
    assert "the name of one of our designs" in listed["passed_over"][0]
    break_it(own)
    told = broadsheet("design", "list", DESIGNS=own).succeeded().err
    assert "2 faults: `broadsheet design check" in told
    assert "rename the folder" in told


def test_a_text_is_shown_in_any_design_colour_and_language(broadsheet: Commands, folder: Path, own: Path) -> None:
    looks = ("--design", "quarterly", "--brand-colour", "#7a1f2b", "--language", "de")
    html = broadsheet("render", folder / "letter.md", *looks, DESIGNS=own).succeeded().out
    assert 'lang="de"' in html
    assert "#7a1f2b" in html
    assert "abbestellen" in html
    refused = broadsheet("render", folder / "letter.md", "--design", "quarterly").refused()
    assert refused == ["there is no design “quarterly”; there are: bulletin, gazette, letter"]
    break_it(own)
    problems = broadsheet("render", folder / "letter.md", "--design", "quarterly", DESIGNS=own).refused()
    assert all(problem.startswith("the design “quarterly” cannot be used: layout.html:") for problem in problems)


def test_a_newsletter_keeps_its_design_and_its_mails_show_its_logo(
    broadsheet: Commands, up: Sandbox, folder: Path
) -> None:
    unknown = broadsheet("newsletter", "create", "looks", *GOOD, "--design", "lettre").refused()
    assert unknown == ["There is no design “lettre”; there are: bulletin, gazette, letter."]
    broadsheet("newsletter", "create", "looks", *GOOD, "--design", "letter").succeeded()
    assert broadsheet("newsletter", "show", "looks", "--json").succeeded().json["design"] == "letter"
    assert "there are: bulletin" in broadsheet("newsletter", "change", "looks", "--design", "none").refused()[0]
    Image.new("RGB", (400, 100), "navy").save(folder / "logo.png")
    changed = broadsheet(
        "newsletter", "change", "looks", "--design", "bulletin", "--logo", folder / "logo.png", "--json"
    )
    assert changed.succeeded().json["design"] == "bulletin"
    logo = changed.json["logo"]
    made = (
        broadsheet("issue", "create", folder / "letter.md", "--newsletter", "looks", "--json").succeeded().json["issue"]
    )
    people = ("--newsletter", "looks", "--consent", "at the fair")
    broadsheet("subscribers", "import", folder / "people.csv", *people).succeeded()
    broadsheet("issue", "send", made["id"], "--wait").succeeded()
    html = up.messages("ann@readers.example")[-1]["html"]
    [image] = lxml.html.fromstring(html).cssselect("img.logo")
    assert str(image.get("src")).endswith(f"/media/{logo}")
    assert (image.get("width"), image.get("height")) == ("192", "48")
