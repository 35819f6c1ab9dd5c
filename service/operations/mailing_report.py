"""How the answering of sign-ups goes: how many wait, what became of the mails, how long a reader waited for theirs."""

from dataclasses import dataclass

from service.db import transaction


@dataclass(frozen=True)
class Answered:
    """Counts by state, and for each confirmation that was accepted the seconds since its form was sent."""

    signups: dict[str, int]
    mails: dict[str, int]
    seconds: list[float]

    @property
    def waiting(self) -> int:
        return self.signups.get("pending", 0) + self.mails.get("pending", 0) + self.mails.get("sending", 0)


def answered(*, after: int = 0) -> Answered:
    """What became of the sign-ups with a greater id than `after`."""
    with transaction() as tx:
        signups = tx.execute("SELECT state, count(*) FROM signups WHERE id > :after GROUP BY 1", after=after).all()
        mails = tx.execute("SELECT state, count(*) FROM mails WHERE signup_id > :after GROUP BY 1", after=after).all()
        seconds = tx.execute(
            """SELECT extract(epoch FROM m.sent_at - g.created_at)::float8 FROM mails m JOIN signups g ON g.id = m.signup_id
               WHERE g.id > :after AND m.kind = 'confirm' AND m.state = 'sent' ORDER BY m.id""",
            after=after,
        ).scalars()
        return Answered({row[0]: row[1] for row in signups}, {row[0]: row[1] for row in mails}, list(seconds))
