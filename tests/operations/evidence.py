"""Makes consent records for tests as the service does: inserted plainly, chained by the database."""

import json
import random
from collections.abc import Callable
from typing import Any

from service.db import transaction
from tests.builders import sha

Sql = Callable[..., list[Any]]
WORDING = "Yes, send me The Monthly. I can leave at any time."


def a_wording(wording: str = WORDING) -> bytes:
    with transaction() as tx:
        tx.execute(
            "INSERT INTO consent_wordings (sha256, wording) VALUES (:hash, :wording) ON CONFLICT DO NOTHING",
            hash=sha(wording),
            wording=wording,
        )
    return sha(wording)


def acts(newsletter_id: int, readers: int, *, each: int = 2, seed: int = 1) -> None:
    """Records of so many readers, interleaved: given and confirmed, with details, by turns."""
    wording = a_wording()
    order = [(n, k) for k in range(each) for n in random.Random(seed).sample(range(readers), readers)]
    rows = [
        {
            "key": f"{seed:02x}{n:030x}",
            "action": ("given", "confirmed", "withdrawn")[k % 3],
            "details": {"signup": n, "form": "page", "network": f"198.51.{n % 256}.0/24", "user_agent": "Firefox"},
        }
        for n, k in order
    ]
    with transaction() as tx:
        tx.execute(
            """INSERT INTO consent_records (email_key, newsletter_id, purpose, action, method, wording_sha256, details)
               SELECT decode(x.key, 'hex'), :newsletter, 'newsletter', x.action, 'form', :wording, x.details
               FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x (key text, action text, details jsonb)""",
            newsletter=newsletter_id,
            wording=wording,
            rows=json.dumps(rows),
        )
