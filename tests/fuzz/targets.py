"""What is called with any bytes: each either takes them or refuses them by the error that it names. Anything else is a fault."""

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from service.clients import sendgrid_events
from service.clients.sendgrid_events import MalformedPayloadError
from service.domain import addresses, conditions, personalisation
from service.domain.addresses import AddressError
from service.domain.personalisation import Expression
from service.errors import Invalid
from service.operations import importing_file
from service.operations.importing_file import Records, RowFault

ENCODINGS = (None, "utf-16", "cp1252", "gb18030")


def merge_tags(data: bytes) -> None:
    """An author's text: no character is lost, and what is wrong is named with its line."""
    text = data.decode(errors="replace")
    pieces, errors = personalisation.split(text, ("office",))
    assert all(isinstance(piece, str | Expression) for piece in pieces)
    assert all(error.args for error in errors)
    if not errors and "\\" not in text and "{{" not in text:
        assert "".join(str(piece) for piece in pieces) == text
    conditions.parse(text, ("office",))


def csv_file(data: bytes) -> None:
    """A file of readers, in the encoding that its first byte draws."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(data[1:])
        file.flush()
        encoding = ENCODINGS[data[0] % len(ENCODINGS)] if data else None
        with suppress(Invalid), importing_file.opened(Path(file.name), encoding) as source:
            last = 0
            for record in Records(source.text):
                line = record.line if isinstance(record, RowFault) else record[0]
                assert line > last, "lines are told in their order, and none twice"
                last = line


def webhook(data: bytes) -> None:
    """A payload that is signed, whoever wrote it. What is counted is what is read, and what is read can be kept."""
    try:
        entries = sendgrid_events.check(data)
    except MalformedPayloadError:
        return
    parsed = sendgrid_events.parse(data)
    assert len(parsed.events) + len(parsed.mails) + parsed.strays + parsed.unknown == entries
    for event in parsed.events:
        json.dumps(event.detail).encode()
        assert "\0" not in (event.detail or "")


def address(data: bytes) -> None:
    """A reader's address: what was tidied once is tidy."""
    with suppress(AddressError):
        found = addresses.normalise(data.decode(errors="surrogateescape"))
        again = addresses.normalise(found.as_typed_clean)
        assert again == found
        found.normalised.encode()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "merge-tags": merge_tags,
    "csv": csv_file,
    "webhook": webhook,
    "address": address,
}
SEEDS: dict[str, tuple[bytes, ...]] = {
    "merge-tags": (b'Dear {{ first_name | default: "reader" }},', b"{% if office == \"Shanghai\" %}\xe4\xbd\xa0{% else %}x{% endif %}", b"\\{{ {{ {% end"),
    "csv": (b'\0email,first_name\n"ann@x.test","A\n""b"""\n', b"\1\xff\xfee\0m\0a\0i\0l\0", b"\2email;name\nann@x.test;Zo\xeb\n", b"\1email\n"),
    "webhook": (
        b'[{"event":"bounce","timestamp":1,"bs_delivery":"7","bs_attempt":"x","reason":"a\\u0000\\ud800"}]',
        b'[{"event":["open"],"timestamp":1e999}]', b'{"event":"open"}', b"[[[[", b'[{"event":"click","url":{}}, 3]',
    ),
    "address": (b"ann@x.test", b"mailto:\"a b\"@x.test", "用户@例子.test".encode(), b"a@[127.0.0.1]", b"\xff@x.test"),
}  # fmt: skip
"""From which changes begin."""
