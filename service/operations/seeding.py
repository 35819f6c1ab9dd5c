"""Seeds: colleagues who get each issue as its readers do, to see that it arrives. They are in no audience, no ledger and no rate.
Refuses to send one to somebody who is a reader: nobody gets two."""

import structlog

from service import epoch
from service.clients import sendgrid
from service.db import transaction
from service.domain.addresses import normalise
from service.log import named
from service.operations import looking
from service.operations.auditing import audit
from service.operations.epochs_known import IN_FORCE
from service.operations.previewing import preview_issue
from service.tokens import email_key

log = structlog.get_logger(__name__)

# At most once, whatever happens to this process: whoever waits for a seed that does not come learns something, too.
_TAKE = f"""
    UPDATE issues i SET seeded_at = clock_timestamp() FROM newsletters w, installation x
    WHERE i.id = :issue AND w.id = i.newsletter_id AND i.seeded_at IS NULL AND i.state IN ('sending', 'sent') AND x.stopped_at IS NULL AND {IN_FORCE}
    RETURNING w.id AS newsletter_id, w.seeds
"""
_READERS = """
    SELECT s.email_key FROM subscribers s JOIN subscriptions n ON n.subscriber_id = s.id
    WHERE n.newsletter_id = :newsletter AND s.email_key = ANY(:keys)
"""
"""Who reads it has it already, and who has left wants none."""
_SUPPRESSED = "SELECT email_key FROM suppressions WHERE email_key = ANY(:keys) AND lifted_at IS NULL"


@named("issue")
def send(issue_id: int) -> None:
    """Send the issue to its newsletter's seeds, once."""
    with transaction() as tx:
        row = tx.execute(_TAKE, epoch.parameters(), issue=issue_id).one_or_none()
        if row is None or not row.seeds:
            return
        keys = {email_key(normalise(address).normalised): address for address in row.seeds}
        not_to = {bytes(one) for one in tx.execute(_READERS, newsletter=row.newsletter_id, keys=list(keys)).scalars()}
        not_to |= {bytes(one) for one in tx.execute(_SUPPRESSED, keys=list(keys)).scalars()}
        to = [address for key, address in keys.items() if key not in not_to]
        audit(tx, "service", "send to seeds", f"issue {issue_id}", mails=len(to), readers_already=len(keys) - len(to))
    if to:
        body = looking.body(preview_issue(issue_id).mail, to, category="seed")
        verdict = sendgrid.post(body)
        log.info("seeds sent", issue=issue_id, answer=verdict.answer.value, mails=len(to))
