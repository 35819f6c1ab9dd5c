"""A team's own designs: used when they are fit, refused with file and line when they are not."""

from pathlib import Path

import pytest

from service.rendering import design_files
from service.rendering.design_faults import FACTS, FILES, LAYOUT, MAIL, STYLE, Unfit
from service.rendering.newsletter import RenderError
from tests.rendering.designs import OURS, copied, everything, spoil
from tests.rendering.rendered import rendered


def faults(folder: Path) -> list[str]:
    with pytest.raises(Unfit) as refused:
        design_files.load(folder)
    return [str(fault) for fault in refused.value.faults]


LEAVE = "<p>%%leave%%</p>"
BROKEN: dict[str, tuple[str, str, str, str]] = {
    "a slot that nobody knows": (
        LAYOUT,
        LEAVE,
        LEAVE + "%%leaves%%",
        "no slot %%leaves%% here; did you mean %%leave%%?",
    ),
    "a slot spelt in capitals": (LAYOUT, LEAVE, LEAVE + "%%Body%%", "no slot %%Body%%"),
    "a slot twice": (LAYOUT, LEAVE, f"{LEAVE}{LEAVE}", "%%leave%% stands in line"),
    "the body outside of the content": (LAYOUT, '<div class="content serif">', "<div>", "of the class “content”"),
    "the way to leave in a comment": (LAYOUT, LEAVE, "<!-- %%leave%% -->", "a slot in a comment shows nothing"),
    "the way to leave in the preheader": (LAYOUT, "<p>%%leave%%", '<p class="preheader">%%leave%%', "hidden there"),
    "the way to leave out of sight": (
        LAYOUT,
        "<p>%%leave%%",
        '<p style="display: none">%%leave%%',
        "display: none could hide",
    ),
    "the way to leave hidden": (LAYOUT, "<p>%%leave%%", "<p hidden>%%leave%%", "<p hidden> could hide"),
    "a logo within a cell": (
        LAYOUT,
        "%%web_version%%%%logo%%<tr>",
        "%%web_version%%<tr>",
        "the slot %%logo%% is missing",
    ),
    "a row outside of the table": (LAYOUT, LEAVE, f"{LEAVE}%%logo%%", "%%logo%%"),
    "script": (LAYOUT, LEAVE, f"{LEAVE}<script>1</script>", "<script>: no mail program runs it"),
    "a handler": (LAYOUT, "<p>%%leave%%", '<p onclick="x()">%%leave%%', "onclick=… on <p> would run script"),
    "a form": (LAYOUT, LEAVE, f"{LEAVE}<form></form>", "<form>: forms do not work"),
    "a frame": (LAYOUT, LEAVE, f"{LEAVE}<iframe></iframe>", "<iframe>: mail programs drop"),
    "a sheet from elsewhere": (
        LAYOUT,
        "<style>%%style",
        '<link rel="stylesheet"><style>%%style',
        "<link>: a mail loads nothing",
    ),
    "a picture from elsewhere": (LAYOUT, LEAVE, f'{LEAVE}<img src="https://a.example/x.png">', "src=… on <img> loads"),
    "a background from elsewhere": (
        LAYOUT,
        "<p>%%leave%%",
        '<p background="x.png">%%leave%%',
        "background=… on <p> loads",
    ),
    "a style that loads": (LAYOUT, "<p>%%leave%%", '<p style="background: url(x.png)">%%leave%%', "url() cannot stand"),
    "an address that runs script": (LAYOUT, LEAVE, f'{LEAVE}<a href="javascript:x">a</a>', "must begin with https://"),
    "a page that leads elsewhere": (LAYOUT, "<title>", '<meta http-equiv="refresh" content="0"><title>', "by itself"),
    "a tag that is never closed": (LAYOUT, LEAVE, f"{LEAVE}<div>", "<div> is never closed"),
    "a tag that closes nothing": (LAYOUT, LEAVE, f"{LEAVE}</div>", "</div> closes nothing"),
    "a table for Outlook that stays open": (
        LAYOUT,
        "<!--[if mso]></td></tr></table><![endif]-->",
        "",
        "is never closed",
    ),
    "script for Outlook": (LAYOUT, LEAVE, f"{LEAVE}<!--[if mso]><script></script><![endif]-->", "<script>"),
    "another doctype": (LAYOUT, "<!DOCTYPE html>", "<!doctype html>", "must begin with <!DOCTYPE html>"),
    "no language": (LAYOUT, 'lang="%%language%%" ', "", '<html> needs lang="%%language%%"'),
    "no direction": (LAYOUT, 'dir="%%direction%%" ', "", '<html> needs dir="%%direction%%"'),
    "no drawing for Outlook": (LAYOUT, ' xmlns:v="urn:schemas-microsoft-com:vml"', "", "needs xmlns:v"),
    "one side in an attribute": (LAYOUT, "<p>%%leave%%", '<p align="left">%%leave%%', "align=left is wrong in Arabic"),
    "style that loads for Outlook": (
        LAYOUT,
        "<style>table {",
        "<style>@import 'x'; table {",
        "@import loads from elsewhere",
    ),
    "an import": (STYLE, ".ground", '@import "x.css";\n.ground', "@import loads from elsewhere"),
    "a picture in the style": (STYLE, ".ground {", ".ground { background: url(x.png);", "url() cannot stand"),
    "a picture in the style, in disguise": (
        STYLE,
        ".ground {",
        ".ground { background: \\75rl(x.png);",
        "url() cannot stand",
    ),
    "a font from elsewhere": (
        STYLE,
        ".ground",
        "@font-face { font-family: x }\n.ground",
        "@font-face works in too few",
    ),
    "a variable": (STYLE, ".ground {", ".ground { color: var(--x);", "var() cannot stand"),
    "a brace that is never closed": (
        STYLE,
        "[dir=",
        ".x { color: %%ink%%;\n[dir=",
        "the { in this line is never closed",
    ),
    "a brace too many": (STYLE, ".ground", "}\n.ground", "this } closes nothing"),
    "a declaration that cannot be read": (STYLE, ".ground {", ".ground { colour;", "this cannot be read"),
    "a rule that cannot be read": (STYLE, ".ground", "; .ground", "cannot be read"),
    "a comment that never ends": (STYLE, ".ground", "/* .ground", "this comment never ends"),
    "a query for elements": (
        STYLE,
        ".ground",
        "@media (max-width: 9px) { p { margin: 0 } }\n.ground",
        "move it to mail.css",
    ),
    "an unknown slot in the style": (STYLE, ".ground {", ".ground { color: %%brnd%%;", "did you mean %%brand%%?"),
    "a way out of the style": (STYLE, ".ground", "</style><b>\n.ground", "holds no “<”"),
    "a foot out of sight": (STYLE, ".footer {", ".footer { display: none;", "display: none could hide"),
    "a foot too small to see": (STYLE, ".footer {", ".footer { font-size: 1px;", "font-size: 1px could hide"),
    "a foot that is moved away": (
        STYLE,
        ".footer {",
        ".footer { position: absolute;",
        "position works in no mail program",
    ),
    "one side": (STYLE, ".footer {", ".footer { padding-left: 9px;", "padding-left is on the wrong side"),
    "one side in short": (STYLE, ".footer {", ".footer { margin: 0 9px 0 0;", "differs by side"),
    "text on one side": (STYLE, ".footer {", ".footer { text-align: left;", "text-align: left is wrong"),
    "an importance that the night cannot overcome": (
        STYLE,
        ".footer {",
        ".footer { margin: 0 !important;",
        "wins over the dark form",
    ),
    "quiet words on their own ground": (
        STYLE,
        ".footer p {",
        ".footer p { background-color: %%ink%%;",
        "has a contrast of",
    ),
    "the brand as it is for words": (STYLE, "color: %%brand%%;", "color: %%band%%;", "in light: %%band%% on"),
    "a colour of its own that is too pale": (
        STYLE,
        ".footer a {",
        ".footer p { color: #aaaaaa; }\n.footer a {",
        "in light: #aaaaaa on %%ground%% has a contrast of 2.0",
    ),
    "no night": (MAIL, "@media (prefers-color-scheme: dark)", "@media (max-width: 2px)", "there is no dark form"),
    "a night that loses": (
        MAIL,
        "background-color: %%dark_ground%% !important",
        "background-color: %%dark_ground%%",
        "needs !important",
    ),
    "a night without light": (
        MAIL,
        "color: %%dark_ink%% !important",
        "color: %%ink%% !important",
        "in dark: %%ink%% on",
    ),
    "a query that no mail knows": (
        MAIL,
        "@media (max",
        "@media print { p { margin: 0 } }\n@media (max",
        "“@media print” is none",
    ),
    "a foot out of sight on telephones": (
        MAIL,
        ".margin {",
        ".footer { max-height: 0 !important; }\n.margin {",
        "could hide",
    ),
    "no title": (FACTS, 'title = "Gazette"', "", "title must be a text"),
    "no TOML": (FACTS, "[light]", "[light", "it is no TOML"),
    "no night's colours": (FACTS, "[dark]", "[darkness]", "[dark] is missing"),
    "a colour by its name": (FACTS, '"#26292e"', '"black"', "ink in [light] must be # and six digits"),
    "ink too pale": (
        FACTS,
        '"#5a5f68"',
        '"#9a9fa8"',
        "muted #9a9fa8 on paper #ffffff in [light] has a contrast of 2.7",
    ),
    "a dark ground by day": (FACTS, 'ground = "#f1efea"', 'ground = "#202020"', "must all be light, or all dark"),
}


FAR_AWAY = {
    "the body outside of the content",
    "a logo within a cell",
    "a row outside of the table",
    "a table for Outlook that stays open",
    "no night",
    "no title",
    "no night's colours",
}
"""What is noticed in another line than the one that was changed."""


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_design_is_refused_with_file_and_line(tmp_path: Path, what: str) -> None:
    file, old, new, said = BROKEN[what]
    folder = copied(tmp_path)
    line = spoil(folder, file, old, new)
    found = faults(folder)
    lines = range(line, line + new.count("\n") + 1)
    there = (f"{file}:",) if what in FAR_AWAY else tuple(f"{file}:{at}: " for at in lines)
    assert any(one.startswith(there) and said in one for one in found), found


@pytest.mark.parametrize(
    "slot", ["leave", "postal_address", "why", "body", "notes", "preheader", "style", "mail", "logo"]
)
def test_a_design_without_a_slot_that_mails_need_is_refused(tmp_path: Path, slot: str) -> None:
    folder = copied(tmp_path)
    spoil(folder, LAYOUT, f"%%{slot}%%", "")
    last = (folder / LAYOUT).read_text().rstrip().count("\n") + 1
    assert any(one.startswith(f"layout.html:{last}: the slot %%{slot}%% is missing") for one in faults(folder))


@pytest.mark.parametrize("part", ["o:PixelsPerInch", '<table role="presentation" width="600"'])
def test_a_design_without_what_outlook_needs_is_refused(tmp_path: Path, part: str) -> None:
    folder = copied(tmp_path)
    text = (folder / LAYOUT).read_text()
    assert part in text
    (folder / LAYOUT).write_text(text.replace(part, part.replace("o:Pixels", "o:Pix").replace("width", "data-width")))
    assert any("Outlook for Windows" in one for one in faults(folder))


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path, file: str) -> None:
    folder = copied(tmp_path)
    (folder / file).write_bytes(b"a\nb\xff")
    assert f"{file}:2: it is not UTF-8; save it as UTF-8" in faults(folder)
    (folder / file).unlink()
    [fault] = faults(folder)
    assert fault.startswith(f"{file}:1: it cannot be read in {folder}: No such file")


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    spoil(folder, LAYOUT, LEAVE, "<script></script>")
    spoil(folder, STYLE, ".ground {", ".ground { background: url(x);")
    spoil(folder, MAIL, "!important", "")
    spoil(folder, FACTS, 'title = "Gazette"', "")
    assert {one.split(":")[0] for one in faults(folder)} == set(FILES)


def test_a_teams_design_is_used_and_read_again_when_it_was_changed(tmp_path: Path) -> None:
    folder = copied(tmp_path, of="letter")
    assert "Georgia" in everything(design="quarterly", designs=tmp_path)
    spoil(folder, LAYOUT, LEAVE, f"{LEAVE}<p>Founded in 1911</p>")
    assert "Founded in 1911" in everything(design="quarterly", designs=tmp_path)
    assert list(design_files.folders(tmp_path)) == [*OURS, "quarterly"]


def test_a_broken_design_stops_the_issue_and_says_where(tmp_path: Path) -> None:
    line = spoil(copied(tmp_path), LAYOUT, LEAVE, f"{LEAVE}<script></script>")
    with pytest.raises(RenderError) as refused:
        rendered("Text", design="quarterly", designs=tmp_path)
    [problem] = refused.value.problems
    assert problem.startswith(f"the design “quarterly” cannot be used: layout.html:{line}: <script>")


def test_a_teams_design_never_takes_the_place_of_one_of_ours(tmp_path: Path) -> None:
    folder = copied(tmp_path, name="gazette", of="letter")
    with pytest.raises(RenderError, match="“gazette” is the name of one of our designs"):
        rendered("Text", designs=tmp_path)
    assert faults(folder)[0].startswith("design.toml:1: “gazette” is the name of one of our designs")
    assert "the name of one of our designs" in design_files.passed_over(tmp_path)[0]
    assert "A title" in everything(design="letter", designs=tmp_path)


@pytest.mark.parametrize("name", ["Quarterly", "my design", "9", "quarterly.old"])
def test_a_folder_that_cannot_be_named_is_no_design(tmp_path: Path, name: str) -> None:
    folder = copied(tmp_path, name=name)
    assert name not in design_files.folders(tmp_path)
    assert f"“{name}” is no name for a design" in design_files.passed_over(tmp_path)[0]
    assert f"“{name}” is no name for a design" in faults(folder)[0]


@pytest.mark.parametrize("name", ["../../etc", "", ".", "/tmp", "gazette/", "none"])
def test_a_name_leads_out_of_no_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(RenderError, match=r"there is no design “.*”; there are: bulletin, gazette, letter"):
        rendered("Text", design=name, designs=tmp_path / "nowhere")
