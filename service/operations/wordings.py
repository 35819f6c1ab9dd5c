"""What readers are asked to agree to: the newsletter's own words, or ours where a team wrote none. Refuses to let words
count that are not those of today; the words themselves are kept for good with the consents given under them."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from service.db import Transaction
from service.languages import mark, say

PURPOSES = ("newsletter", "tracking", "export")

BUILT_IN: Mapping[str, str] = {
    "newsletter": mark(
        "I would like to get %(newsletter)s by email from %(sender)s. I can leave at any time with the link in every mail."
    ),
    "tracking": mark(
        "I agree that %(sender)s records when I open %(newsletter)s and which of its links I follow, to learn what its readers find useful. I get the newsletter without this too, and can take it back at any time with the link in every mail."
    ),
    "export": mark(
        "I agree that my email address, and my name where a mail contains it, are transferred to Twilio Inc. (SendGrid) in the United States, which delivers %(newsletter)s for %(sender)s. Without this no mail can be sent to me. I can take it back at any time with the link in every mail."
    ),
}


class Wording(NamedTuple):
    """The exact words, the hash by which they are kept and by which a form says which words it showed, and their language."""

    text: str
    sha256: str
    language: str


def choose(newsletter: Mapping[str, Any], own: Iterable[tuple[str, str, str]], language: str) -> dict[str, Wording]:
    """The words among `own` (purpose, language, wording) that hold for a newsletter's row and a language: those in the
    reader's language, else in the newsletter's, else ours in the reader's."""
    there = {(purpose, tag): text for purpose, tag, text in own}
    found = {}
    for purpose in _asked(newsletter):
        tag = next((one for one in (language, newsletter["language"]) if (purpose, one) in there), None)
        text = (
            there[purpose, tag]
            if tag
            else say(language, BUILT_IN[purpose], newsletter=newsletter["name"], sender=newsletter["sender_name"])
        )
        found[purpose] = Wording(text, sha256_of(text).hex(), tag or language)
    return found


def _asked(newsletter: Mapping[str, Any]) -> list[str]:
    asked = ["newsletter"]
    if newsletter["tracking_policy"] != "none":
        asked.append("tracking")
    if newsletter["needs_export_consent"]:
        asked.append("export")
    return asked


def store(tx: Transaction, texts: Iterable[str]) -> list[bytes]:
    """Keep these words for good, once each; their hashes, in the same order."""
    texts = list(texts)
    hashes = [sha256_of(text) for text in texts]
    tx.execute(
        "INSERT INTO consent_wordings (sha256, wording) SELECT * FROM unnest(CAST(:hashes AS bytea[]), CAST(:texts AS text[])) ON CONFLICT DO NOTHING",
        hashes=hashes,
        texts=texts,
    )
    return hashes


def sha256_of(text: str) -> bytes:
    """The key of words that were shown."""
    return hashlib.sha256(text.encode()).digest()
