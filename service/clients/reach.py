"""Which machines a request of ours may reach because an author's text names them: those on the public internet, and nothing
within a network of anybody's. Names are resolved once, and the address that was judged is the one to connect to."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

import idna

from service.clients.dns import Resolver, addresses

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PORTS = {"http": 80, "https": 443}
_KEPT = "%/:=&?~+!$,;'@()*[]|"
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
# Both hold an IPv4 address inside; nobody serves pages there.
_TUNNELS = (ipaddress.ip_network("2001::/32"), ipaddress.ip_network("2002::/16"))


class Refused(Exception):
    """Not asked, and why; in words for a person."""


@dataclass(frozen=True)
class Place:
    """Where to connect, and what to ask for there."""

    secure: bool
    host: str
    address: str
    port: int
    target: str


def place(url: str, resolver: Resolver, *, allow_loopback: bool = False) -> Place:
    """Resolve and judge an address. Raises Refused, or the resolver's NoSuchName and Unreachable. `allow_loopback`: this
    machine itself too, at any port: for tests alone."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        raise Refused("it is not an address") from None
    if parts.scheme not in PORTS:
        raise Refused(f"{parts.scheme or 'no scheme'}: is not asked for")
    if parts.username is not None or parts.password is not None:
        raise Refused("it holds a user name")
    host = _host(parts)
    found = _literal(host)
    chosen = [found] if found else [ipaddress.ip_address(one) for one in addresses(host, resolver)]
    loopback = allow_loopback and all(one.is_loopback for one in chosen)
    if not loopback and not all(is_public(one) for one in chosen):
        raise Refused("it is not on the public internet")
    if not loopback and port not in PORTS.values():
        raise Refused(f"port {port} is not asked for")
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_KEPT)
    return Place(parts.scheme == "https", host, str(chosen[0]), port, target)


def is_public(address: Address) -> bool:
    """Whether anybody's packets would get there. IPv6 that wraps IPv4 (mapped, NAT64, tunnels) does not count."""
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in _PUBLIC_IPV6 or any(address in tunnel for tunnel in _TUNNELS)
    ):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    if not host or "%" in host:
        raise Refused("it names no site")
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise Refused("its name cannot be looked up") from None


def _literal(host: str) -> Address | None:
    """The address that a host is by itself, also in the old forms that programs still take: 127.1, 2130706433, 0177.0.0.1."""
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host)
        except ValueError:
            raise Refused("it is not an address") from None
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        raise Refused("it is not an address") from None
