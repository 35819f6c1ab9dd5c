"""A mail before it is sent: with a reader's own values, as it is frozen, and with a leave link that does nothing."""

from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from service.errors import Invalid, NotFound
from service.operations import authoring, previewing, scheduling
from service.operations.authoring import Source
from service.settings import Settings
from tests.builders import a_newsletter, an_issue, readers
from tests.clients.pictures import drawing, saved
from tests.conftest import Sandbox
from tests.operations.test_variants import issue_of

NAMES = {"mei@readers.example": "Mei & <b>", "omar@readers.example": ""}
TEXT = '# News for {{ first_name | default: "you" }}\n\nDear {{ first_name }},\n\nread [it](https://www.example.com/?n={{ first_name | default: "x" }}).\n'


@pytest.fixture
def newsletter(database: Settings) -> int:
    found = a_newsletter(reply_to="office@sender.example")
    readers(found, list(NAMES), names=NAMES)
    return found


def test_an_issue_is_shown_with_the_readers_own_values(newsletter: int, database: Settings) -> None:
    found = previewing.preview_issue(an_issue(newsletter, TEXT), reader="MEI@readers.example")
    assert found.mail.subject == "News for Mei & <b>"
    assert "Dear Mei &amp; &lt;b&gt;," in found.html
    assert "?n=Mei%20%26%20%3Cb%3E" in found.html
    assert "Dear Mei & <b>," in found.mail.text
    assert (found.mail.reader, found.missing) == (("Mei & <b>", "mei@readers.example"), ())
    assert found.source == TEXT
    for part in (found.html, found.mail.text, found.mime.decode()):
        assert "bsmt" not in part
        assert ".invalid" not in part


def test_looking_makes_nobody_leave(newsletter: int, database: Settings, sql: Callable[..., list[Any]]) -> None:
    found = previewing.preview_issue(an_issue(newsletter, TEXT), reader="mei@readers.example")
    assert f'href="{database.public_url}/u/preview"' in found.html
    assert found.mail.leave_url == f"{database.public_url}/u/preview"
    assert found.html.count("/u/") == found.mail.text.count("/u/") == 1
    assert sql("SELECT count(*) FROM subscriptions WHERE state = 'active'") == [(2,)]
    assert sql("SELECT count(*) FROM deliveries") == [(0,)]


def test_what_a_reader_lacks_is_named(newsletter: int) -> None:
    found = previewing.preview_issue(an_issue(newsletter, TEXT), reader="omar@readers.example")
    assert found.missing == ("first_name",)
    assert "Dear [first_name]," in found.html
    assert "News for you" in found.mail.subject


def test_the_raw_mail_is_what_the_reader_is_sent(newsletter: int, sandbox: Sandbox, drain: Callable[..., int]) -> None:
    issue = an_issue(newsletter, TEXT)
    scheduling.schedule(issue, actor="test")
    drain()
    [sent] = sandbox.messages("mei@readers.example")
    found = previewing.preview_issue(issue, reader="mei@readers.example")
    raw = message_from_bytes(found.mime, policy=policy.default)
    assert raw["Subject"] == sent["subject"]
    assert raw["Reply-To"] == "office@sender.example"
    leave = sent["headers"]["List-Unsubscribe"].strip("<>")
    assert raw["List-Unsubscribe"].strip("<>") == found.mail.leave_url
    assert {name: raw[name] for name in ("List-Id", "List-Unsubscribe-Post")} == {
        name: sent["headers"][name] for name in ("List-Id", "List-Unsubscribe-Post")
    }
    assert sent["html"] == found.mail.html.replace(found.mail.leave_url, leave)
    assert sent["text"] == found.mail.text.replace(found.mail.leave_url, leave)


def test_a_stored_picture_is_shown_from_this_machine_and_mailed_from_the_service(
    newsletter: int, database: Settings, tmp_path: Path
) -> None:
    (tmp_path / "plan.png").write_bytes(saved(drawing(300, 200), "PNG"))
    before = set(database.media.glob("[0-9a-f]*"))
    issue, _ = authoring.create_issue(
        Source("# News\n\n![A plan](plan.png)\n", tmp_path), newsletter_id=newsletter, actor="test"
    )
    found = previewing.preview_issue(issue)
    [stored] = set(database.media.glob("[0-9a-f]*")) - before
    assert stored.as_uri() in found.html
    assert f"{database.public_url}/media/{stored.name}" in found.mail.html


def test_a_file_is_shown_for_a_reader_of_the_newsletter_and_keeps_nothing(
    newsletter: int, tmp_path: Path, database: Settings, sql: Callable[..., list[Any]]
) -> None:
    (tmp_path / "plan.png").write_bytes(saved(drawing(310, 200), "PNG"))
    source = Source(TEXT + "\n![A plan](plan.png)\n", tmp_path)
    before = set(database.media.glob("*"))
    found = previewing.preview_source(source, newsletter_id=newsletter, reader="mei@readers.example")
    assert "The Monthly" in found.html
    assert found.mail.sender == ("The Monthly", "news@sender.example")
    assert (tmp_path / "plan.png").as_uri() in found.html
    assert set(database.media.glob("*")) == before
    assert sql("SELECT count(*) FROM issues") == [(0,)]


def test_a_variant_is_found_by_its_name_or_by_the_readers_language(
    newsletter: int, sql: Callable[..., list[Any]]
) -> None:
    german = Source("# Neues\n\nHallo.\n", Path("/x"))
    issue = issue_of(newsletter, Source(TEXT, Path("/x"), versions={"de": german}))
    assert previewing.preview_issue(issue, variant="de").mail.subject == "Neues"
    assert previewing.preview_issue(issue).variant == "en"
    sql("UPDATE subscribers SET language = 'de' WHERE normalised_address = 'mei@readers.example'")
    assert previewing.preview_issue(issue, reader="mei@readers.example").variant == "de"
    with pytest.raises(NotFound, match=r"no variant 'fr'.*en, de"):
        previewing.preview_issue(issue, variant="fr")


def test_who_is_no_reader_is_refused(newsletter: int) -> None:
    issue = an_issue(newsletter, TEXT)
    other = a_newsletter("weekly", name="The Weekly")
    readers(other, ["ann@readers.example"])
    for address in ("nobody@readers.example", "ann@readers.example"):
        with pytest.raises(NotFound, match="no reader of that address"):
            previewing.preview_issue(issue, reader=address)
    with pytest.raises(Invalid, match="--reader"):
        previewing.preview_issue(issue, reader="no address")
    with pytest.raises(NotFound, match="no issue 0"):
        previewing.preview_issue(0)
