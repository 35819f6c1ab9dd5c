"""What a sender's domain says, and what a spam filter says: never waited for long, and nothing is made up."""

import time
from pathlib import Path

import pytest

from service.clients import dns, spam
from service.clients.dns import Records
from tests.clients.names import Names

REPORT = """X-Spam-Status: No, score=1.3 required=5.0 tests=MISSING_MID,MPART_ALT_DIFF

Content analysis details:   (1.3 points, 5.0 required)

 pts rule name              description
---- ---------------------- --------------------------------------------------
-0.0 NO_RELAYS              Informational: message was not relayed via SMTP
 0.5 MISSING_MID            Missing Message-Id: header
 0.8 MPART_ALT_DIFF         BODY: HTML and text parts are different
"""


def test_a_domain_that_is_set_up_says_so() -> None:
    names = Names(
        {
            ("firm.test", "TXT"): ["google-site=1", "v=spf1 include:sendgrid.net ~all"],
            ("firm.test", "MX"): ["10 mail.firm.test"],
            ("s1._domainkey.firm.test", "CNAME"): ["s1.domainkey.u1.wl.sendgrid.net"],
            ("s2._domainkey.firm.test", "CNAME"): ["s2.domainkey.u1.wl.sendgrid.net"],
            ("_dmarc.firm.test", "TXT"): ["v=DMARC1; p=reject"],
        }
    )
    expected = Records(("v=spf1 include:sendgrid.net ~all",), ("s1", "s2"), ("v=DMARC1; p=reject",), True)
    assert dns.look_up("firm.test", names) == expected


def test_a_domain_below_has_the_dmarc_record_of_the_one_above() -> None:
    names = Names({("_dmarc.firm.test", "TXT"): ["v=DMARC1; p=none"], ("news.firm.test", "A"): ["93.184.216.34"]})
    found = dns.look_up("news.firm.test", names)
    assert found.dmarc == ("v=DMARC1; p=none",)
    assert (found.spf, found.dkim, found.takes_mail) == ((), (), True)


def test_a_domain_that_says_nothing_or_does_not_exist_has_no_records() -> None:
    assert dns.look_up("gone.test", Names({})) == Records((), (), (), False)
    no_mail = Names({("firm.test", "MX"): ["0 ."], ("firm.test", "A"): ["93.184.216.34"]})
    assert dns.look_up("firm.test", no_mail).takes_mail is False


def test_without_a_network_nothing_is_known() -> None:
    silent = Names(dict.fromkeys(_questions("firm.test")))
    found = dns.look_up("firm.test", silent)
    assert found == Records(None, None, None, None)
    assert found.is_unknown


def test_slow_name_servers_are_not_waited_for() -> None:
    started = time.monotonic()
    found = dns.look_up("firm.test", Names({("firm.test", "TXT"): []}, seconds=0.6), patience=0.2)
    assert time.monotonic() - started < 0.5
    assert found.is_unknown


def _questions(domain: str) -> list[tuple[str, str]]:
    names = [(domain, kind) for kind in ("TXT", "MX", "A", "AAAA")]
    return [*names, (f"s1._domainkey.{domain}", "CNAME"), (f"_dmarc.{domain}", "TXT")]


def program(folder: Path, script: str) -> str:
    """A program that stands in for the filter."""
    path = folder / "filter"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_filter_s_points_and_reasons_are_read(tmp_path: Path) -> None:
    (tmp_path / "report").write_text(REPORT)
    command = program(tmp_path, f'[ "$1$2" = "-L-t" ] && cat > {tmp_path}/mail && cat {tmp_path}/report')
    opinion = spam.ask(b"Subject: x\n\nwords", command=command)
    assert (opinion.points, opinion.required) == (1.3, 5.0)
    assert opinion.reasons == (("MPART_ALT_DIFF: BODY: HTML and text parts are different", 0.8),)
    assert (tmp_path / "mail").read_bytes() == b"Subject: x\n\nwords"


def test_a_filter_that_is_not_there_fails_or_hangs_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(spam.NotAsked, match="not installed"):
        spam.ask(b"x", command="no-such-program-anywhere")
    with pytest.raises(spam.NotAsked, match="no report"):
        spam.ask(b"x", command=program(tmp_path, "echo nothing; exit 1"))
    with pytest.raises(spam.NotAsked, match="more than 0 seconds"):
        spam.ask(b"x", command=program(tmp_path, "exec sleep 20"), patience=0.3)
