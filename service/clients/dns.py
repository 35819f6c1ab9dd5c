"""Asks the DNS, within seconds: addresses of hosts, and what a sender's domain says of who may send in its name."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import dns.exception
import dns.rdatatype
import dns.resolver

T = TypeVar("T")

LIFETIME = 3.0
"""Seconds for one question."""
PATIENCE = 5.0
"""Seconds for all that is asked of a domain."""
SENDGRID_SELECTORS = ("s1", "s2")


class NoSuchName(Exception):
    """The DNS says that there is no such name."""


class Unreachable(Exception):
    """Nobody answered: nothing is known."""


class Resolver(Protocol):
    """Answers one question. An empty list: the name is there, without such a record. Raises NoSuchName, Unreachable."""

    def records(self, name: str, kind: str) -> list[str]: ...


class SystemResolver:
    """The name servers that this machine uses."""

    def records(self, name: str, kind: str) -> list[str]:
        """Texts of the records; those of TXT put together, names without the last dot."""
        try:
            answer = dns.resolver.Resolver().resolve(name, kind, lifetime=LIFETIME, search=False)
        except dns.resolver.NXDOMAIN:
            raise NoSuchName(name) from None
        except dns.resolver.NoAnswer:
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise Unreachable(type(error).__name__) from None
        if kind == "TXT":
            return [b"".join(record.strings).decode(errors="replace") for record in answer]
        return [record.to_text().rstrip(".") for record in answer]


@dataclass(frozen=True)
class Records:
    """What a domain says. None: nobody answered. `dkim`: which of SendGrid's selectors are there. `takes_mail`: whether it has a
    mail server."""

    spf: tuple[str, ...] | None
    dkim: tuple[str, ...] | None
    dmarc: tuple[str, ...] | None
    takes_mail: bool | None

    @property
    def is_unknown(self) -> bool:
        return self.spf is None and self.dkim is None and self.dmarc is None


def addresses(host: str, resolver: Resolver) -> list[str]:
    """A host's addresses: IPv4, else IPv6. Raises NoSuchName (also for a name without any), Unreachable."""
    if found := resolver.records(host, "A"):
        return _of(found, ".")
    if found := resolver.records(host, "AAAA"):
        return _of(found, ":")
    raise NoSuchName(host)


def _of(found: list[str], sign: str) -> list[str]:
    return [one for one in found if sign in one]


def look_up(domain: str, resolver: Resolver, *, patience: float = PATIENCE) -> Records:
    """All that is asked of a domain, at once; what is not answered in time is None."""
    pool = ThreadPoolExecutor(max_workers=4)
    try:
        spf = pool.submit(_spf, domain, resolver)
        dkim = pool.submit(_dkim, domain, resolver)
        dmarc = pool.submit(_dmarc, domain, resolver)
        mail = pool.submit(_takes_mail, domain, resolver)
        asked: list[Future[Any]] = [spf, dkim, dmarc, mail]
        wait(asked, timeout=patience)
        return Records(_answered(spf), _answered(dkim), _answered(dmarc), _answered(mail))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _answered(asked: "Future[T]") -> T | None:
    if not asked.done():
        return None
    try:
        return asked.result()
    except Unreachable:
        return None


def _records(domain: str, kind: str, resolver: Resolver) -> list[str]:
    try:
        return resolver.records(domain, kind)
    except NoSuchName:
        return []


def _spf(domain: str, resolver: Resolver) -> tuple[str, ...]:
    found = _records(domain, "TXT", resolver)
    return tuple(one for one in found if one.lower() == "v=spf1" or one.lower().startswith("v=spf1 "))


def _dkim(domain: str, resolver: Resolver) -> tuple[str, ...]:
    def has(selector: str) -> bool:
        return bool(_records(f"{selector}._domainkey.{domain}", "CNAME", resolver))

    return tuple(selector for selector in SENDGRID_SELECTORS if has(selector))


def _dmarc(domain: str, resolver: Resolver) -> tuple[str, ...]:
    """The domain's own record, else that of a domain above it, which holds for all below."""
    labels = domain.split(".")
    for at in range(max(1, len(labels) - 1)):
        name = f"_dmarc.{'.'.join(labels[at:])}"
        found = [one for one in _records(name, "TXT", resolver) if _is_dmarc(one)]
        if found:
            return tuple(found)
    return ()


def _is_dmarc(text: str) -> bool:
    return text.replace(" ", "").lower().startswith("v=dmarc1")


def _takes_mail(domain: str, resolver: Resolver) -> bool:
    """An MX record, or an address where there is none; a single dot says that it takes no mail (RFC 7505)."""
    try:
        if found := resolver.records(domain, "MX"):
            return any(one.split()[-1].rstrip(".") not in ("", "0") for one in found)
        return bool(addresses(domain, resolver))
    except NoSuchName:
        return False
