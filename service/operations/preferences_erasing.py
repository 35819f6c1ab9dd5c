"""A reader erases themselves from their own page. What goes and what stays is settled in `erasing`."""

import json

from service.db import transaction
from service.operations import erasing
from service.operations.certificates import keep_at_once


def erase_reader(subscriber_id: int) -> tuple[int, str, str]:
    """Erase the reader who asks for it. Returns the certificate's number, its exact text, and a file that
    holds the text with the signature over it. Raises NotFound when they are gone already."""
    with transaction() as tx:
        certificate = erasing.erase(tx, subscriber_id, method="reader")
    keep_at_once(certificate.number)
    kept = {
        "certificate": certificate.number,
        "text": certificate.text,
        "ed25519_signature_of_the_text": certificate.signature.hex(),
    }
    return certificate.number, certificate.text, json.dumps(kept, indent=1)
