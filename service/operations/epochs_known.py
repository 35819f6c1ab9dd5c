"""The condition under which anything is claimed: the database is not older than what this machine has seen of it. Every statement
that takes something to be sent holds it."""

JUMP = 1_000_000
"""Marks that are left out when a restored database goes on: a year has half a million minutes, so the line that was given up has
not come as far, should somebody go back to it."""

NEWEST = """
    (installation.epoch = :epoch AND installation.mark >= :mark AND (CAST(:last_armed AS uuid) IS NULL
        OR EXISTS (SELECT FROM attempts armed WHERE armed.id = CAST(:last_armed AS uuid) AND armed.armed_at IS NOT NULL)))
"""
"""SQL over `installation`, with `epoch.parameters()`: it is the one that was seen, and knows the last request that was made."""

AS_SEEN = f"({NEWEST} AND installation.mark - :mark < {JUMP // 2})"
"""And the file has noted its line: one that was last written before somebody accepted a restored database says so first. Else it
could not be told later whether what the file says is of before."""

IN_FORCE = f"EXISTS (SELECT FROM installation WHERE installation.restored_at IS NULL AND {AS_SEEN})"
"""Nothing of an issue is prepared, claimed or armed without it."""

ANSWERING = f"EXISTS (SELECT FROM installation WHERE installation.restored_at IS NOT NULL OR {AS_SEEN})"
"""For mails that a person has just asked for: in a database that was marked as restored, what had waited was settled, and who asks
since then is answered."""
