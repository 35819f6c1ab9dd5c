"""What is kept of where a request came from: a network and a browser's family, too coarse to single anybody out. Refuses
to keep an address or a version."""

import ipaddress

UNKNOWN = "unknown"
_PREFIX = {4: 24, 6: 48}
# The order matters: each of these names the ones below it in its own header.
_FAMILIES = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chrome"),
    ("Safari/", "Safari"),
)


def network_of(remote_addr: str | None) -> str:
    """The /24 or /48 that an address belongs to, such as `203.0.113.0/24`; an IPv4 address within IPv6 counts as itself."""
    try:
        address = ipaddress.ip_address((remote_addr or "").partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, _PREFIX[address.version]), strict=False))


def is_number(host: str) -> bool:
    """Whether a host is named by its number, and not by a name."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def user_agent_family(header: str | None) -> str:
    """The browser's family, such as `Firefox`; `other` for what is none, `none` without a header. Nothing finer."""
    if not header:
        return "none"
    return next((family for mark, family in _FAMILIES if mark in header), "other")
