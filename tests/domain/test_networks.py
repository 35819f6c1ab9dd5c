"""What is kept of where somebody is: too little to find them by."""

import pytest

from service.domain.mail_domains import is_disposable, likely_meant
from service.domain.networks import network_of, user_agent_family


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:aa:bb::1", "2001:db8:aa::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("203.0.113.77, 198.51.100.1", "unknown"),
        ("localhost", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_address_is_kept_as_its_network_alone(address: str | None, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("header", "family"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
            "Chrome",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0", "Edge"),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", "Safari"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 CriOS/131.0 Mobile Safari/604.1", "Chrome"),
        ("curl/8.5.0", "other"),
        ("mei@readers.example", "other"),
        ("", "none"),
        (None, "none"),
    ],
)
def test_a_browser_is_kept_as_its_family_alone(header: str | None, family: str) -> None:
    assert user_agent_family(header) == family


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("hotmial.com", "hotmail.com"),
        ("gmail.com", None),
        ("gmx.de", None),
        ("firm.example", None),
        ("", None),
    ],
)
def test_a_likely_slip_is_told_and_nothing_else(typed: str, meant: str | None) -> None:
    assert likely_meant(typed) == meant


@pytest.mark.parametrize(
    ("domain", "is_one"),
    [("mailinator.com", True), ("x.y.mailinator.com", True), ("notmailinator.com", False), ("com", False)],
)
def test_a_mailbox_for_minutes_is_known_by_its_domain_or_one_above(domain: str, is_one: bool) -> None:
    assert is_disposable(domain) is is_one
