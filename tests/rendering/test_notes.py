"""Numbered notes."""

from tests.rendering.rendered import content, page, problems, rendered

NOTED = "One[^b] and two[^a], again[^b].\n\n[^a]: Note A, <https://a.example/>.\n[^b]: Note B.\n"


def test_notes_are_numbered_by_first_reference_and_linked_both_ways() -> None:
    root = page(rendered(NOTED))
    for number in ("1", "2"):
        [reference] = root.cssselect(f"a#fnref-{number}")
        assert reference.text == number
        assert reference.get("href") == f"#fn-{number}"
        [note] = root.cssselect(f"li#fn-{number}")
        assert note.cssselect(f'a[href="#fnref-{number}"]')
    assert "Note B" in root.cssselect("li#fn-1")[0].text_content()


def test_each_repeated_reference_has_its_own_way_back() -> None:
    root = page(rendered(NOTED))
    back = [link.get("href") for link in root.cssselect("li#fn-1 a[href]")]
    assert back == ["#fnref-1", "#fnref-1-2"]
    assert all(root.cssselect(target) for target in back)


def test_every_place_has_an_empty_named_anchor_for_gmail_and_outlook() -> None:
    html = rendered(NOTED).html
    for name in ("fn-1", "fn-2", "fnref-1", "fnref-1-2", "fnref-2"):
        assert f'<a name="{name}"></a>' in html


def test_links_to_notes_are_kept_from_click_tracking_and_others_are_not() -> None:
    html = rendered(NOTED).html
    assert '<a clicktracking="off" href="#fn-1"' in html
    assert '<a clicktracking="off" href="#fnref-1"' in html
    assert '<a href="https://a.example/"' in html


def test_the_leave_link_is_kept_from_click_tracking() -> None:
    result = rendered("Text")
    [leave] = [tag for tag in result.tags if tag.field == "leave_url" and tag.context == "url"]
    assert f'<a clicktracking="off" href="{leave.placeholder}"' in result.html


def test_the_text_part_has_the_notes_at_its_end_with_their_addresses() -> None:
    text = rendered(NOTED).text
    assert "One[1] and two[2], again[1]." in text
    assert text.index("Notes\n-----") < text.index("[1] Note B.") < text.index("[2] Note A, <https://a.example/>.")
    assert "↩" not in text


def test_a_reference_without_a_note_is_refused_with_its_line() -> None:
    assert "line 3: there is no note [^lost]" in problems("Text\n\nText [^lost]")
    assert "line 2: there is no note [^x]" in problems("first line\nsecond [^x] line\n\n[^y]: z")


def test_a_note_that_nothing_refers_to_is_pointed_out() -> None:
    result = rendered("Text[^a]\n\n[^a]: A\n\n[^b]: Never seen")
    assert any(warning.startswith("line 5: the note [^b] is left out") for warning in result.warnings)
    assert "Never seen" not in result.html


def test_two_notes_of_one_name_are_refused() -> None:
    assert "line 4: a second note [^a]; the first is in line 3" in problems("Text[^a]\n\n[^a]: A\n[^a]: B")


def test_a_bracket_written_with_a_backslash_is_no_reference() -> None:
    assert "[^a]" in content(rendered("Text \\[^a] and `[^b]`")).text_content()


def test_a_reference_in_a_note_that_is_left_out_leaves_no_dead_link() -> None:
    root = page(rendered("Text[^a]\n\n[^a]: A\n\n[^b]: B[^a]"))
    targets = [str(link.get("href")) for link in root.cssselect('a[href^="#"]')]
    assert targets
    assert all(root.cssselect(target) for target in targets)


def test_a_note_can_stand_where_it_is_referred_to() -> None:
    result = rendered("Text^[A note on the spot.]")
    assert "[1] A note on the spot." in result.text
    assert page(result).cssselect("li#fn-1")


def test_a_note_of_several_paragraphs_keeps_them() -> None:
    text = rendered("Text[^a]\n\n[^a]: First.\n\n    Second.\n").text
    assert "[1] First.\n\n    Second." in text


def test_a_note_whose_name_has_a_space_is_refused() -> None:
    assert "line 3: a note's name cannot hold a space" in problems("Text [^my note]\n\n[^my note]: A")
