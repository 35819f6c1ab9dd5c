"""Reads addresses of the form scheme://host:port, and nothing more. Refuses what two programs might understand in two ways."""

import ipaddress
import re

_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ORIGIN = re.compile(rf"(https?)://({_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::([0-9]{{1,5}}))?", re.IGNORECASE)


def origin(url: str) -> tuple[str, str] | None:
    """Scheme and host of a web address in ASCII that has nothing but them and a port; None for any other."""
    found = _ORIGIN.fullmatch(url)
    if found is None or int(found[3] or 443) not in range(1, 65536):
        return None
    scheme, host = found[1].lower(), found[2].lower()
    last = host.rpartition(".")[2]
    numeric = host.startswith("[") or last.isdigit() or last.startswith("0x")
    # 127.1 and 0x7f000001 are addresses to some programs and names to others.
    return None if numeric and _address(host) is None else (scheme, host)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine for whoever asks for it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    address = getattr(address, "ipv4_mapped", None) or address
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
