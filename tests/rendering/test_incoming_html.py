"""HTML as Word, Outlook and Google Docs save and paste it, as Markdown of ours."""

import base64

import pytest

from service.rendering.drafts import Draft
from service.rendering.incoming_html import draft_from_html
from service.rendering.newsletter import render
from service.rendering.problems import RenderError
from tests.rendering.rendered import MASTHEAD
from tests.rendering.word import png

# Word's clipboard: a whole page around the fragment, islands of XML, lists that are paragraphs, notes with mso-element.
WORD = """<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"
xmlns:w="urn:schemas-microsoft-com:office:word" xmlns="http://www.w3.org/TR/REC-html40">
<head><meta http-equiv=Content-Type content="text/html; charset=utf-8"><meta name=Generator content="Microsoft Word 15">
<!--[if gte mso 9]><xml><w:WordDocument><w:View>Normal</w:View></w:WordDocument></xml><![endif]-->
<style><!-- p.MsoNormal {margin:0cm; font-family:"Calibri",sans-serif;} --></style></head>
<body lang=EN-GB style='tab-interval:36.0pt'><!--StartFragment-->
<p class=MsoTitle>Data Letter<o:p></o:p></p>
<p class=MsoNormal><span style='mso-ansi-language:EN-US'>Dear {{ <span class=SpellE>first_name</span> | default: “reader” }},<o:p></o:p></span></p>
<p class=MsoNormal><b style='mso-bidi-font-weight:normal'>One rule</b>&nbsp;&nbsp;changed<a style='mso-footnote-id:ftn1'
href="#_ftn1" name="_ftnref1" title=""><span class=MsoFootnoteReference><span style='mso-special-character:footnote'><![if !supportFootnotes]><span
class=MsoFootnoteReference><span style='font-size:11.0pt'>[1]</span></span><![endif]></span></span></a> in <i>March</i>,
says <span class=SpellE>Ms</span> Lin <span style='font-family:SimSun'>林美</span>.<o:p></o:p></p>
<p class=MsoNormal><o:p>&nbsp;</o:p></p>
<p class=MsoListParagraphCxSpFirst style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'><![if !supportLists]><span
style='font-family:Symbol'><span style='mso-list:Ignore'>·<span style='font:7.0pt "Times New Roman"'>&nbsp;&nbsp;&nbsp; </span></span></span><![endif]>First<o:p></o:p></p>
<p class=MsoListParagraphCxSpMiddle style='margin-left:72.0pt;mso-list:l0 level2 lfo1'><![if !supportLists]><span
style='mso-list:Ignore'>o<span>&nbsp;&nbsp; </span></span><![endif]>inside<o:p></o:p></p>
<p class=MsoListParagraphCxSpLast style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'><![if !supportLists]><span
style='mso-list:Ignore'>·<span>&nbsp;&nbsp; </span></span><![endif]>Second<o:p></o:p></p>
<p class=MsoNormal>Then:</p>
<p class=MsoListParagraphCxSpFirst style='mso-list:l1 level1 lfo2'><![if !supportLists]><span
style='mso-list:Ignore'>3.<span>&nbsp;&nbsp; </span></span><![endif]>three</p>
<p class=MsoListParagraphCxSpLast style='mso-list:l1 level1 lfo2'><![if !supportLists]><span
style='mso-list:Ignore'>4.<span>&nbsp;&nbsp; </span></span><![endif]>four</p>
<div style='mso-element:footnote-list'><![if !supportFootnotes]><br clear=all><hr align=left size=1 width="33%"><![endif]>
<div style='mso-element:footnote' id=ftn1><p class=MsoFootnoteText><a style='mso-footnote-id:ftn1' href="#_ftnref1"
name="_ftn1" title=""><span class=MsoFootnoteReference><span>[1]</span></span></a> Transfers Act, <i>section 14</i>.<o:p></o:p></p></div></div>
<!--EndFragment--></body></html>"""

WORD_AS_MARKDOWN = """# Data Letter

Dear {{ first_name | default: "reader" }},

**One rule** changed[^1] in *March*, says Ms Lin 林美.

- First
  - inside
- Second

Then:

3. three
4. four

[^1]: Transfers Act, *section 14*.
"""

# Google Docs' clipboard: one bold element around it all that is not bold, looks in spans, lists below lists.
GOOGLE = """<meta charset='utf-8'><b style="font-weight:normal;" id="docs-internal-guid-1f2e"><h1 dir="ltr"
style="line-height:1.38;"><span style="font-size:20pt;font-weight:400;">Data Letter</span></h1>
<p dir="ltr"><span style="font-weight:400;white-space:pre-wrap;">One rule </span><span style="font-weight:700;">changed</span><span
style="font-style:italic;"> in March</span><span>.</span><sup><a href="#ftnt1" id="ftnt_ref1">[1]</a></sup><span> See </span><a
href="https://www.google.com/url?q=https://www.example.com/a_b?x%3D1%26y%3D{{office}}&amp;sa=D&amp;source=editors&amp;ust=17"
style="text-decoration:none;"><span style="color:#1155cc;text-decoration:underline;">the guide</span></a><span>.</span></p><br />
<ul style="margin-top:0;"><li dir="ltr" aria-level="1"><p dir="ltr" role="presentation"><span>First</span></p></li>
<ul><li dir="ltr" aria-level="2"><p dir="ltr" role="presentation"><span>inside</span></p></li></ul>
<li dir="ltr" aria-level="1"><p dir="ltr" role="presentation"><span>Second</span></p></li></ul>
<div dir="ltr"><table style="border:none;"><colgroup><col width="100"><col width="100"></colgroup><tbody><tr><td><p
dir="ltr"><span style="font-weight:700;">Where</span></p></td><td><p dir="ltr"><span style="font-weight:700;">When</span></p></td></tr>
<tr><td><p dir="ltr"><span>Tarn</span></p></td><td><p dir="ltr"><span>1 | 2 April</span></p></td></tr></tbody></table></div>
<hr><div><p dir="ltr"><a href="#ftnt_ref1" id="ftnt1">[1]</a><span> Transfers Act.</span></p></div></b>
<br class="Apple-interchange-newline">"""

GOOGLE_AS_MARKDOWN = """# Data Letter

One rule **changed** *in March*.[^1] See [the guide](https://www.example.com/a_b?x=1&y={{office}}).

- First
  - inside
- Second

| Where | When |
| --- | --- |
| Tarn | 1 \\| 2 April |

[^1]: Transfers Act.
"""

# Outlook: MsoNormal paragraphs, links by way of a checker, pictures by cid:, a pixel, and a table that only places.
OUTLOOK = """<div class="WordSection1"><p class="MsoNormal"><span lang="EN-US" style="font-size:11pt;color:#1F497D">Dear all,<br>
please read <a href="https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.example.com%2Fguide%3Fa%3D1&amp;data=05%7C02%7C&amp;sdata=x&amp;reserved=0">our guide</a>.</span></p>
<p class="MsoNormal"><o:p>&nbsp;</o:p></p>
<table border="0" cellspacing="0" cellpadding="0"><tr><td><p class="MsoNormal"><b>Mei Lin</b> 林美<br>Partner<br>
<a href="mailto:mei@firm.example">mei@firm.example</a></p></td></tr></table>
<p class="MsoNormal"><img width="300" height="100" src="cid:image001.png@01D9" alt="Our office"><img width=1 height=1
src="https://track.example/o.gif"></p></div>"""

OUTLOOK_AS_MARKDOWN = """Dear all,\\
please read [our guide](https://www.example.com/guide?a=1).

**Mei Lin** 林美\\
Partner\\
<mei@firm.example>

![Our office](image001.png)
"""


def markdown(html: str) -> str:
    return draft_from_html(html).markdown


def told(html: str | bytes) -> str:
    """The report, one line each."""
    return "\n".join(f"{note.where}: {note.text}" for note in draft_from_html(html).report)


@pytest.mark.parametrize(
    ("html", "expected"),
    [(WORD, WORD_AS_MARKDOWN), (GOOGLE, GOOGLE_AS_MARKDOWN), (OUTLOOK, OUTLOOK_AS_MARKDOWN)],
    ids=["Word", "Google Docs", "Outlook"],
)
def test_what_is_pasted_becomes_clean_markdown(html: str, expected: str) -> None:
    assert markdown(html) == expected
    assert markdown(html.replace("\n", "\r\n")) == expected


def test_the_markdown_renders_as_a_mail() -> None:
    result = render(markdown(WORD), MASTHEAD)
    assert "Transfers Act" in result.html
    assert result.subject == "Data Letter"


def test_what_was_changed_is_told_with_its_place() -> None:
    report = told(OUTLOOK)
    assert "line 2, near “our guide”: a link was freed of the detour" in report
    assert "the picture image001.png did not come with the text; put it beside the letter" in report
    assert "a picture of one pixel was left out" in report


def test_google_docs_saved_as_a_page_keeps_bold_by_class_and_levels() -> None:
    page = """<html><head><style>.c1{font-weight:700}.c2{font-style:italic;color:#000}</style></head><body class="c9">
    <p class="c0"><span class="c1">Bold</span><span class="c2"> italic</span></p>
    <ul class="c3 lst-kix_abc-0 start"><li><span>one</span></li></ul><ul class="c3 lst-kix_abc-1 start"><li><span>in</span></li></ul>
    <ul class="c3 lst-kix_abc-0"><li><span>two</span></li></ul></body></html>"""
    assert markdown(page) == "**Bold** *italic*\n\n- one\n  - in\n- two\n"


def test_word_lists_are_known_without_its_conditional_marks() -> None:
    """“Web page, filtered” has no mso-list: the bullet is text, the level a margin."""
    page = """<p class=MsoListParagraphCxSpFirst style='text-indent:-.25in'><span style='font-family:Symbol'>·<span
    style='font:7.0pt "Times New Roman"'>&nbsp;&nbsp;&nbsp; </span></span>One</p>
    <p class=MsoListParagraphCxSpMiddle style='margin-left:1.0in;text-indent:-.25in'>a)<span>&nbsp;&nbsp; </span>inside</p>
    <p class=MsoListParagraphCxSpLast style='text-indent:-.25in'>·<span>&nbsp;&nbsp; </span>Two <b>bold</b></p>"""
    assert markdown(page) == "- One\n  1. inside\n- Two **bold**\n"


@pytest.mark.parametrize(
    "page",
    [
        '<p>A<a href="#_edn1" name="_ednref1"><sup>[i]</sup></a>.</p><div id=edn1><p><a href="#_ednref1" name="_edn1">[i]</a> Note.</p></div>',
        '<p>A<sup><a class="sdfootnoteanc" name="sdfootnote1anc" href="#sdfootnote1sym"><sup>1</sup></a></sup>.</p><div id="sdfootnote1"><p><a class="sdfootnotesym" name="sdfootnote1sym" href="#sdfootnote1anc">1</a>Note.</p></div>',
        '<p>A<a href="#fn1" class="footnote-ref" id="fnref1" role="doc-noteref"><sup>1</sup></a>.</p><section class="footnotes"><hr><ol><li id="fn1"><p>Note.<a href="#fnref1" class="footnote-back">↩︎</a></p></li></ol></section>',
        '<p>A<sup id="fnref:1"><a href="#fn:1">1</a></sup>.</p><div class="footnotes"><hr><ol><li id="fn:1"><p>Note. <a href="#fnref:1">↩</a></p></li></ol></div>',
    ],
    ids=["Word’s endnotes", "LibreOffice", "pandoc", "others"],
)
def test_notes_are_known_however_a_program_names_them(page: str) -> None:
    assert markdown(page) == "A[^1].\n\n[^1]: Note.\n"


def test_a_note_may_have_paragraphs_and_be_referred_to_twice() -> None:
    page = """<p>A<sup><a href="#f1" id="r1">1</a></sup>, B<sup><a href="#f1" id="r2">1</a></sup>.</p>
    <ol><li id="f1"><p>One.</p><p>Two. <a href="#r1">↑</a> <a href="#r2">↑</a></p></li></ol>"""
    assert markdown(page) == "A[^1], B[^1].\n\n[^1]: One.\n\n    Two.\n"


def test_a_contents_list_that_links_both_ways_is_no_note() -> None:
    page = '<p><a href="#one" id="c1">1</a></p><h2><a href="#c1" id="one">One</a></h2><p>text</p>'
    assert markdown(page) == "[1](#one)\n\n## One\n\ntext\n"


def test_a_mark_whose_note_was_not_copied_stays_as_letters_and_is_told() -> None:
    page = '<p>A<a href="#_ftn3" name="_ftnref3">[3]</a>.</p>'
    assert markdown(page) == "A\\[3\\].\n"
    assert "the note [3] did not come with the text" in told(page)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("{{ first_name | default: “reader” }}", '{{ first_name | default: "reader" }}'),
        ("{{ first_name | default: „Leser“ }}", '{{ first_name | default: "Leser" }}'),
        ("{{&nbsp;first_name&nbsp;| default&nbsp;: ‘it’s’ }}", "{{ first_name | default : 'it’s' }}"),
        ("<b>{{ fir</b>st_<i>name</i> }}", "**{{ first_name }}**"),
        ("{% if office == “Paris” %}Bonjour{% endif %}", '{% if office == "Paris" %}Bonjour{% endif %}'),
        ("{{ a_b }} and _x_ *y*", "{{ a_b }} and \\_x\\_ \\*y\\*"),
        ("a {{ b", "a {{ b"),
        ("C:\\{{ office }}", "C:&#92;{{ office }}"),
        ('<a href="https://x.example/?n={{ first_name }}">x</a>', "[x](https://x.example/?n={{ first_name }})"),
        ('<a href="https://x.example/?n=%7B%7B%20office%20%7D%7D">x</a>', "[x](https://x.example/?n={{ office }})"),
        ("https://x.example/{{ office }}/a_b.", "<https://x.example/{{ office }}/a_b>."),
    ],
)
def test_tags_come_through_whole(html: str, expected: str) -> None:
    assert markdown(f"<p>{html}</p>") == f"{expected}\n"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>a<br>b<br><br>c</p>", "a\\\nb\n\nc"),
        ("<p>1. not a list<br># nor this<br>- nor this</p>", "1\\. not a list\\\n\\# nor this\\\n\\- nor this"),
        ("<p>中文<b>标题：</b>内容</p>", "中文<strong>标题：</strong>内容"),
        ("<p>一行\n两行</p>", "一行两行"),
        ("<p>so\u00adft\u200b &nbsp; &nbsp; space</p>", "soft space"),
        ("<p>10&nbsp;km “quoted”…</p>", "10\u00a0km “quoted”…"),
        ("<p>H<sub>2</sub>O, <s>old</s> <u>new</u></p>", "H<sub>2</sub>O, <del>old</del> new"),
        ("<p><b> a </b><b>b</b>c</p>", "**a b**c"),
        ("<p><b><br></b></p><p>x</p>", "x"),
        ("<p>Wow!<a href='https://x.example/'>x</a></p>", "Wow\\![x](https://x.example/)"),
        ("<p><a href='https://x.example/'><b>one</b> two</a></p>", "[**one** two](https://x.example/)"),
        ("<p><a href='www.x.example/a'>x</a></p>", "[x](https://www.x.example/a)"),
        ("<h2>1. Head</h2><table><tr><th>+ a<th>2.<tr><td>- b<td># c</table>", "## 1. Head\n\n| + a | 2. |\n| --- | --- |\n| - b | # c |"),
        ("<h2><b>Head #</b></h2><p>x</p>", "## Head \\#\n\nx"),
        ("<h1>One</h1><p>a</p><h1>Two</h1><h2>In</h2>", "# One\n\na\n\n## Two\n\n### In"),
        ("<ul><li><p>a</p><p>b</p></li><li>c</li></ul>", "- a\n\n  b\n\n- c"),
        ("<ol start=4><li>a<ul><li>b</ul><li>c</ol><ol><li>d</ol>", "4. a\n   - b\n5. c\n\n1) d"),
        ("<li>a<li>b", "- a\n- b"),
        ("<p>• a</p><p>• b</p>", "- a\n- b"),
        ("<blockquote><p>a</p><p>— b</p></blockquote>", "> a\n>\n> — b"),
        ("<pre>a\n  b</pre>", "```\na\n  b\n```"),
        ("<p>a</p><hr><p>b</p><hr>", "a\n\n***\n\nb"),
        ("<dl><dt>a</dt><dd>b</dd></dl>", "**a**\n\nb"),
        ("<p><code>a|`b</code></p>", "``a|`b``"),
        ("just words &amp; &lt;signs&gt;", "just words & \\<signs\\>"),
        ("<table><caption>T</caption><tr><th>a</th><th align=right>b</th></tr><tr><td>c<p>d</td></tr></table>", "T\n\n| a | b |\n| --- | ---: |\n| c<br>d |  |"),
        ("<figure><img src='a.png' alt='A'><figcaption>The <i>quay</i></figcaption></figure>", '![A](a.png "The quay")'),
        ("<figure><img src='a.png' alt='A'><figcaption>By <a href='https://x.example/'>X</a></figcaption></figure>", "![A](a.png)\n\nBy [X](https://x.example/)"),
    ],
)  # fmt: skip
def test_each_thing_has_its_markdown(html: str, expected: str) -> None:
    assert markdown(html) == f"{expected}\n"


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<p>a</p><script>alert(1)</script>", "a script was left out"),
        ("<p>a</p><iframe src='https://x.example'></iframe>", "a frame was left out"),
        ("<p>a</p><form><p>b</p><input name=x><button>Go</button></form>", "a form's button was left out"),
        ("<p>a</p><form><p>b</p><input name=x></form>", "its words stay"),
        ("<p>a</p><svg><path/></svg>", "a drawing (SVG) cannot be shown; save it as PNG"),
        ("<p>a</p><div style='display:none'>secret words</div>", "hidden words were left out: “secret words”"),
        ("<p>a <a href='file:///C:/x.docx'>b</a></p>", "a link to “file:///C:/x.docx” leads nowhere in a mail"),
        ("<p>a <a href='javascript:alert(1)'>b</a></p>", "a link to “javascript:alert(1)” leads nowhere"),
        ("<p>a <a href='#_Toc12'>b</a></p>", "leads to no heading and was dropped; its words stay"),
        ("<p>a <img src='a.png'></p>", "the picture a.png has no words for those who cannot see it"),
        ("<p>a <img src='a.png' alt='image001.png'></p>", "is described as “image001.png” only"),
        ("<p>a <img src='x/b.emf' alt='x'></p>", "the picture b.emf cannot be shown; save it as PNG"),
        ("<p>a <img src='https://x.example/a.png' alt='x'></p>", "stays on another site"),
        ("<p>a <img src='http://x.example/a.png' alt='x'></p>", "is not secure; save it"),
        ("<p>a <img src='file:///C:/temp/clip_image001.png' alt='x'></p>", "clip_image001.png did not come with the text"),
        ("<p>a <img src='data:image/png;base64,?!' alt='x'></p>", "is damaged and was left out"),
        ("<p>a <img src='data:image/x-emf;base64,AQAAAGwAAAA=' alt='x'></p>", "a picture (EMF) “x” cannot be shown; save it as PNG"),
        ("<p><u>a</u></p>", "underlining was dropped"),
        ("<p style='color:red'>a</p><p style='color:red'>b</p>", "colours, fonts, sizes and alignment were dropped: the design decides (2 times)"),
        ("<table><tr><td colspan=2>a</td></tr><tr><td>b</td><td>c</td></tr></table>", "cells that reached over others were split"),
        ("<ol type=a><li>a</ol>", "a list counted by letters is counted by numbers now"),
        ("<h1>a</h1><h1>b</h1>", "headings went one level deeper"),
        ("<p>a <input type=checkbox checked> b</p>", "a box to tick became a sign"),
        ("<p>so\u00adft</p>", "invisible characters"),
    ],
)  # fmt: skip
def test_what_is_changed_or_left_out_is_told(html: str, said: str) -> None:
    assert said in told(html)
    assert "<" not in markdown(html).replace("<https", "")


def test_pictures_inside_the_text_are_taken_out_once_each() -> None:
    source = f"data:image/png;base64,{base64.b64encode(png(20, 20)).decode()}"
    draft = draft_from_html(f"<p><img alt='A quay' src='{source}'> <img alt='Again' src='{source}'></p>", stem="letter")
    assert draft.markdown == "![A quay](letter-1.png) ![Again](letter-1.png)\n"
    assert draft.pictures == {"letter-1.png": png(20, 20)}


ENCODED: dict[str, tuple[bytes, str]] = {
    "UTF-8": ("<p>Café 林</p>".encode(), ""),
    "a byte order mark": ("<p>Café 林</p>".encode("utf-8-sig"), ""),
    "UTF-16": ("<p>Café 林</p>".encode("utf-16"), "the file is UTF-16"),
    "what the page says": ('<meta charset="gb2312"><p>Cafe 林</p>'.encode("gb18030"), "the file says that it is gb18030"),
    "windows-1252": ("<p>Café – “x”</p>".encode("cp1252"), "is not UTF-8 and was read as windows-1252"),
    "a page that is wrong about itself": ('<meta charset="koi8-q"><p>Café</p>'.encode(), ""),
    "latin-1 that is not": ("<meta content='text/html; charset=iso-8859-1'><p>Café – x</p>".encode("cp1252"), "it is windows-1252"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENCODED)
def test_letters_are_read_in_their_encoding_and_it_is_told(name: str) -> None:
    content, said = ENCODED[name]
    draft = draft_from_html(content)
    assert draft.markdown.startswith("Caf")
    assert ("林" in draft.markdown) or ("é" in draft.markdown)
    assert "�" not in draft.markdown
    assert said in told(content)
    assert bool(said) == bool(told(content))


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "there is nothing in it"),
    "spaces": (b" \n ", "there is nothing in it"),
    "no words": (b"<p></p><div><br></div>", "there are no words in it"),
    "only a comment": (b"<!-- a -->", "there are no words in"),
    "only a script": (b"<script>alert(1)</script>", "there are no words in it"),
    "a NUL byte": (b"<p>a</p>\n<p>b\x00</p>", "the text, line 2: a NUL byte"),
    "six megabytes": (b"<p>" + b"x" * 6_000_000, "the text has 6,000 KB; HTML may have 5,000"),
    "far too many words": (b"<p>" + b"word " * 100_000, "far more in it than a mail can hold"),
    "far too many parts": (b"<p>a" + b"<br>" * 70_000, "far more in it than a mail can hold"),
    "two thousand lists in one another": (b"<ul><li>" * 400 + b"x", "is nested"),
    "a hundred thousand divisions": (b"<div>" * 100_000 + b"x", "is nested too deeply"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_refused(name: str) -> None:
    content, said = BAD[name]
    with pytest.raises(RenderError, match=said.replace("(", "\\(")):
        draft_from_html(content)


def test_deep_wrappers_are_taken_off() -> None:
    assert markdown("<div>" * 900 + "<b>x</b>" + "</div>" * 900 + "<p>y</p>") == "**x**\n\ny\n"
    assert markdown("<span>" * 900 + "x" + "</span>" * 900) == "x\n"


def test_a_hostile_page_is_read_in_time() -> None:
    for piece in (
        "<b>x <i>y</b> z",
        "{{ ",
        "[",
        "<a href='#a' id=b>1</a>",
        "<li>x",
        "&nbsp; ",
        "<td>x",
        "* ",
        '{{ "',
        "<p>• x",
    ):
        assert isinstance(draft_from_html(f"<p>start</p>{piece * 3000}"), Draft), piece
