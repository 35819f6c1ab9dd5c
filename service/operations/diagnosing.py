"""Looks at everything that this installation depends on, and says of each what is wrong and what to do about it. Starts nothing and
changes nothing; works where PostgreSQL is down and the settings are no settings. No key and nobody's address is in what it says."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError

from service import db, settings
from service.operations import (
    diagnosing_database,
    diagnosing_machine,
    diagnosing_outside,
    diagnosing_queues,
    diagnosing_work,
)
from service.operations.diagnosing_findings import FAULT, UNKNOWN, Finding, Surroundings, faulty, unknown

SECONDS = 5.0
"""For each thing that is looked at."""


@dataclass(frozen=True)
class Check:
    """One thing to look at. Where what it `needs` is broken it is not looked at: it could only repeat that."""

    name: str
    look: Callable[[Surroundings], Iterable[Finding]]
    needs: str = ""


CHECKS: Sequence[Check] = (
    Check("version", diagnosing_machine.version),
    Check("settings", diagnosing_machine.settings),
    Check("secrets", diagnosing_machine.secrets),
    Check("disk", diagnosing_machine.disk),
    Check("media", diagnosing_machine.media),
    Check("database", diagnosing_database.server),
    Check("migrations", diagnosing_database.migrations, "database"),
    Check("rights", diagnosing_database.rights, "database"),
    Check("installation", diagnosing_database.installation, "database"),
    Check("restored", diagnosing_work.restored, "database"),
    Check("clock", diagnosing_database.clock, "database"),
    Check("redis", diagnosing_queues.server),
    Check("eviction", diagnosing_queues.eviction, "redis"),
    Check("memory", diagnosing_queues.memory, "redis"),
    Check("workers", diagnosing_queues.workers, "redis"),
    Check("duties", diagnosing_work.duties, "database"),
    Check("retention", diagnosing_work.retention, "database"),
    Check("sending", diagnosing_work.sending, "database"),
    Check("events", diagnosing_work.events, "database"),
    Check("mode", diagnosing_outside.mode),
    Check("public address", diagnosing_outside.public_address),
    Check("tls", diagnosing_outside.tls),
    Check("sendgrid", diagnosing_outside.sendgrid),
    Check("webhook", diagnosing_outside.webhook, "database"),
    Check("domains", diagnosing_outside.domains, "database"),
)


def diagnose(
    where: Surroundings, *, seconds: float = SECONDS, checks: Sequence[Check] = CHECKS
) -> dict[str, list[Finding]]:
    """What was found, by the name of what was looked at; each has at least one finding. Never raises; takes three times the
    seconds at most. Makes this process one of the installation as far as reading goes."""
    _wire(where)
    found: dict[str, list[Finding]] = {}
    waiting = list(checks)
    while waiting:
        ready = [one for one in waiting if not one.needs or one.needs in found]
        found |= _looked_at(ready, where, found, seconds)
        waiting = [one for one in waiting if one not in ready]
    return {one.name: found[one.name] for one in checks}


def is_broken(found: dict[str, list[Finding]]) -> bool:
    """Whether anything is a fault."""
    return any(one.level == FAULT for findings in found.values() for one in findings)


def _wire(where: Surroundings) -> None:
    settings.configure(where.settings)
    if not where.settings.database_url:
        return
    try:
        db.configure(where.settings.database_url, where.settings.database_owner_url)
    except Exception:  # which one depends on the driver that the address names; its words quote the password
        where.bad_database_url = True


def _looked_at(
    checks: Sequence[Check], where: Surroundings, before: dict[str, list[Finding]], seconds: float
) -> dict[str, list[Finding]]:
    """All at once, each in a thread of its own that nobody waits for longer: a server that hangs must not hang this."""
    found: dict[str, list[Finding]] = {}
    threads = {}
    for one in checks:
        if one.needs and any(each.level == FAULT for each in before[one.needs]):
            found[one.name] = list(unknown(f"not looked at, because of what is said of “{one.needs}”", ""))
            continue
        threads[one.name] = threading.Thread(target=_look, args=(one, where, found), daemon=True)
        threads[one.name].start()
    deadline = time.monotonic() + seconds
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    late = list(
        faulty(
            f"it did not answer in {seconds:g} s",
            "Look whether what it asks (a server, the network, name servers) is overloaded or cut off by a firewall, then run this again.",
        )
    )
    return {one.name: found.get(one.name, late) for one in checks}


def _look(check: Check, where: Surroundings, found: dict[str, list[Finding]]) -> None:
    try:
        findings = list(check.look(where))
    except OperationalError:
        findings = list(faulty("the database broke off", "Look into its log, then run this again."))
    except DBAPIError:
        findings = list(unknown("the database does not have, or does not show, what this looks at", _MIGRATIONS))
    except Exception as error:  # whatever it is, the other checks must be told
        findings = list(unknown(f"looking failed ({type(error).__name__})", "Tell whoever maintains Broadsheet."))
    found[check.name] = findings


_MIGRATIONS = "See “migrations” and “rights”."


def as_dict(found: dict[str, list[Finding]]) -> list[dict[str, Any]]:
    """For machines: `check`, `level` (ok, unknown, warning, fault), `text`, `remedy`."""
    return list(_rows(found))


def _rows(found: dict[str, list[Finding]]) -> Iterator[dict[str, Any]]:
    for name, findings in found.items():
        for one in findings:
            yield {"check": name, "level": one.level, "text": one.text, "remedy": one.remedy}


__all__ = ["CHECKS", "FAULT", "UNKNOWN", "Check", "Finding", "Surroundings", "as_dict", "diagnose", "is_broken"]
