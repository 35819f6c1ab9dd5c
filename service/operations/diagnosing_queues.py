"""Looks at Redis or Valkey, and at the workers behind it."""

from collections.abc import Iterator

from service import queue
from service.clients import broker
from service.clients.broker import Unusable
from service.operations.diagnosing_findings import Finding, Surroundings, doubtful, faulty, fine

_OLDEST = (6, 2)
_REASONS = {
    "refused": ("nobody listens there", "Start Redis, and look whether host and port in REDIS_URL are right."),
    "no such name": ("its host's name is not known", "Look at the host in REDIS_URL, and at this machine's name servers."),
    "too slow": ("it does not answer", "Look whether it is overloaded, and whether a firewall stands between."),
    "password": ("it refuses the password", "Set its password in REDIS_URL: redis://:password@host:6379/0"),
    "rights": ("its account may not ask what is needed", "Give the account in REDIS_URL all commands on its keys (ACL SETUSER)."),
    "loading": ("it is still loading its data", "Wait, then run this again."),
    "address": ("REDIS_URL cannot be understood", "Write it as redis://:password@host:6379/0"),
    "broken off": ("it broke the connection off", "Look into its log."),
}  # fmt: skip
_ANSWER_SECONDS = 2.0


def server(where: Surroundings) -> Iterator[Finding]:
    """Whether Redis can be worked with."""
    if not where.settings.redis_url:
        yield from faulty("the embedded Valkey does not run", "Start `broadsheet up`, which starts it.")
        return
    try:
        found = broker.describe(where.settings.redis_url)
    except Unusable as error:
        text, remedy = _REASONS[str(error)]
        yield from faulty(f"Redis cannot be used: {text}", f"{remedy} Mail waits meanwhile; none is lost.")
        return
    version = str(found.get("redis_version", "0.0"))
    name = "Valkey" if "valkey_version" in found else "Redis"
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        yield from faulty(f"Redis {version} is too old", "Upgrade it to Redis 6.2 or newer, or to Valkey.")
    elif found.get("role") == "slave":
        yield from faulty("it is a replica, which takes no changes", "Name the primary in REDIS_URL.")
    elif "err" in (found.get("rdb_last_bgsave_status"), found.get("aof_last_write_status")):
        yield from faulty(
            "it could not write its data to disk, and may refuse every change",
            "Look into its log; make room on its disk, or let it write to its folder.",
        )
    else:
        yield from fine(f"{name} {found.get('valkey_version', version)}")


def eviction(where: Surroundings) -> Iterator[Finding]:
    """Whether Redis may throw queued work away when its memory is full."""
    policy = str(broker.describe(where.settings.redis_url).get("maxmemory_policy", ""))
    remedy = "Set maxmemory-policy noeviction, in its configuration and by CONFIG SET; share it with no cache."
    if policy.startswith("allkeys"):
        yield from faulty(f"Redis throws away what waits in the queues when its memory is full ({policy})", remedy)
    elif policy.startswith("volatile"):
        yield from doubtful(f"Redis throws away what is meant to expire when its memory is full ({policy})", remedy)
    else:
        yield from fine("nothing is thrown away")


def memory(where: Surroundings) -> Iterator[Finding]:
    """Whether Redis is at its limit."""
    found = broker.describe(where.settings.redis_url)
    used, most = int(found.get("used_memory", 0)), int(found.get("maxmemory", 0))
    remedy = (
        "Raise maxmemory; and look which keys take it up (redis-cli --bigkeys), and whether the workers are running."
    )
    if most and used > most * 0.95:
        yield from faulty(f"Redis is at its limit: {used:,} of {most:,} bytes of memory are used", remedy)
    elif most and used > most * 0.8:
        yield from doubtful(f"Redis comes near its limit: {used:,} of {most:,} bytes of memory are used", remedy)
    else:
        yield from fine(f"{used:,} bytes used" + (f" of {most:,}" if most else ""))


def workers(where: Surroundings) -> Iterator[Finding]:
    """Whether somebody works on each queue."""
    attended, waiting = _attended(where), broker.waiting(where.settings.redis_url)
    lacking = [name for name in queue.QUEUES if not attended.get(name)]
    for name in lacking:
        yield from faulty(
            f"nobody works on the queue “{name}”, where {waiting[name]:,} {'task waits' if waiting[name] == 1 else 'tasks wait'}",
            f"If the process “{name}” does not run, {where.start(name)}; {where.log(name)} says why one ended.",
        )
    if not lacking:
        told = ", ".join(f"{name} {attended[name]}" for name in queue.QUEUES)
        yield from fine(f"workers: {told}; {sum(waiting.values()):,} tasks wait")


def _attended(where: Surroundings) -> dict[str, int]:
    """Workers by queue, as they themselves answer."""
    return queue.attended(where.settings, _ANSWER_SECONDS)
