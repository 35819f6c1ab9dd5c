"""Looks at what readers and SendGrid see of this installation, and at what it sees of them: the public address and its certificate,
SendGrid's account, the webhook, the DNS of the senders' domains."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from service.clients import own_address
from service.clients.own_address import BadCertificate, Unreachable
from service.operations import checking
from service.operations.checking import Found
from service.operations.diagnosing_findings import (
    FAULT,
    OK,
    UNKNOWN,
    WARNING,
    Finding,
    Surroundings,
    doubtful,
    faulty,
    fine,
    unknown,
)
from service.origins import is_loopback, origin

_LEVELS = {"good": OK, "unknown": UNKNOWN, "warning": WARNING, "problem": FAULT}
_SOON = timedelta(days=14)
_DOMAIN_SECONDS = 4.5
_REFUSALS = (400, 403, 421)
"""What a server answers that does not know, or not trust, the name it is asked by."""
_UNREACHED = {
    "no such name": "its name is not known",
    "refused": "nobody listens there",
    "too slow": "nobody answers in time",
    "no TLS": "no TLS connection comes about",
    "broken off": "the connection was broken off",
}
_CERTIFICATES = {
    "expired": ("has expired", "Renew it (certbot renew, or what your proxy has for it), reload the proxy, and have it renewed by itself."),
    "self-signed": ("is signed by nobody but itself", "Take one of a public authority, for example by Let's Encrypt."),
    "incomplete": ("is sent without the certificates between it and its authority", "Let the proxy send the whole chain (fullchain.pem)."),
    "of another name": ("is of another name than PUBLIC_URL's", "Take one for that name, or correct PUBLIC_URL."),
    "not yet valid": ("is not valid yet", "Look at the clock of this machine, and at the certificate's dates."),
    "not trusted": ("is not trusted", "Take one of a public authority, for example by Let's Encrypt."),
}  # fmt: skip


def _is_local(where: Surroundings) -> bool:
    return is_loopback((origin(where.settings.public_url) or ("", ""))[1])


def mode(where: Surroundings) -> Iterator[Finding]:
    """Whether mail goes where whoever set this up means it to go, and readers' networks are told apart."""
    chosen = where.settings
    if chosen.sandbox and not _is_local(where):
        yield from faulty(
            "mail goes to the sandbox, so nobody gets any, although PUBLIC_URL is for readers",
            "For real mail set SENDGRID_API_KEY, unset BROADSHEET_SANDBOX, and take a new home or database; for a trial unset PUBLIC_URL.",
        )
    elif chosen.sandbox:
        yield from fine("a trial: mail goes to the sandbox, and nobody gets any")
    elif chosen.trusted_proxies == 0:
        yield from doubtful(
            "all readers seem to come from the reverse proxy's network, so limits on sign-ups hold for all of them together",
            "Set TRUSTED_PROXIES to how many proxies stand in front and set X-Forwarded-For; mostly 1.",
        )
    else:
        yield from fine("mail goes to SendGrid")


def public_address(where: Surroundings) -> Iterator[Finding]:
    """Whether readers reach this service, and nobody else, at its address."""
    url, port = where.settings.public_url, where.settings.port
    try:
        answer = own_address.ask(f"{url}/readyz")
    except Unreachable as error:
        ways = "" if _is_local(where) else f" {_WAYS.format(port=port, url=url)}"
        yield from faulty(f"{url} is not reachable: {_UNREACHED[str(error)]}", f"{_here(where)}{ways}")
        return
    if answer.status in _REFUSALS:
        yield from faulty(
            f"whoever answers at {url} does not trust the host in it (answer {answer.status})",
            f"{_here(where)} Let the proxy know the name (server_name) and pass it on unchanged (proxy_set_header Host $host).",
        )
    elif answer.status in range(300, 400):
        yield from faulty(
            f"{url} sends everybody on to another address, and mail providers that press the leave button do not follow",
            "Set PUBLIC_URL to the address where that ends, or serve this one itself.",
        )
    elif '"database"' not in answer.text:
        yield from faulty(
            f"something else than Broadsheet answers at {url} (answer {answer.status})",
            f"{_here(where)} Let the proxy pass this name on to port {port} of this machine.",
        )
    elif answer.status != 200 and not _has_database(answer.text):
        yield from faulty(
            "the web process cannot do its work: the database does not answer it, or has not this code's migrations",
            "See “database” and “migrations”, then start the service again.",
        )
    else:
        yield from fine(f"{url} answers")


def _has_database(text: str) -> bool:
    """Whether /readyz has only others' faults to tell, which are looked for by themselves."""
    try:
        checks = json.loads(text)["checks"]
        return bool(checks["database"]["ok"] and checks["migrations"]["ok"])
    except (ValueError, KeyError, TypeError):
        return False


_WAYS = (
    "Look at the name's DNS record, the firewall, and whether the reverse proxy passes on to port {port}. A machine behind NAT may not"
    " reach its own address: open {url}/readyz from elsewhere."
)


def _here(where: Surroundings) -> str:
    """Whether the web process itself answers on this machine, asked by the public name."""
    host = urlsplit(where.settings.public_url).netloc
    try:
        answer = own_address.ask(f"http://127.0.0.1:{where.settings.port}/healthz", host=host)
    except Unreachable:
        return f"No web process answers on port {where.settings.port} of this machine: {where.start('web')}."
    if answer.status in _REFUSALS:
        return "The web process itself refuses that host: add it to the hosts that it trusts."
    return "The web process answers on this machine, so look at what stands before it."


def tls(where: Surroundings) -> Iterator[Finding]:
    """Whether what is said between readers and this service stays between them."""
    url = where.settings.public_url
    if not url.startswith("https://"):
        if _is_local(where):
            yield from fine("not needed on this machine")
        else:
            yield from faulty(
                f"{url} is not encrypted, and anybody on the way can read and press readers' links",
                "Put a reverse proxy with a certificate before the service, and set PUBLIC_URL to https.",
            )
        return
    try:
        left = own_address.certificate_ends(url) - where.now()
    except BadCertificate as error:
        text, remedy = _CERTIFICATES[str(error)]
        yield from faulty(f"the certificate {text}", f"{remedy} Until then nobody can leave by the links in mails.")
    except Unreachable as error:
        yield from unknown(f"no certificate was seen: {_UNREACHED[str(error)]}", "See “public address”.")
    else:
        if left < _SOON:
            yield from doubtful(
                f"the certificate expires in {left.days} days", "Renew it, and have it renewed by itself."
            )
        else:
            yield from fine(f"the certificate is valid for {left.days} days")


def sendgrid(where: Surroundings) -> Iterator[Finding]:
    """Whether the key may send, and no more."""
    if not where.settings.sendgrid_api_key:
        yield from faulty("there is no key to send by", "Set SENDGRID_API_KEY; for a trial, BROADSHEET_SANDBOX=1.")
    else:
        found = checking.sendgrid()
        if where.settings.sandbox and found.outcome == "good":
            yield from fine("the sandbox answers in SendGrid's place, and needs no key of yours")
            return
        yield from _of(found, where)
        if not found.reachable and where.settings.sandbox:
            yield from faulty(
                "the sandbox, which stands in for SendGrid here, cannot be reached, so no mail is sent",
                f"The sandbox does not answer: {where.start('sandbox')}.",
            )
        elif not found.reachable:
            yield from faulty(
                "this machine cannot reach SendGrid, so no mail leaves",
                "Look at SENDGRID_URL, at the firewall (port 443 outward) and the name servers, and at status.sendgrid.com.",
            )


def webhook(where: Surroundings) -> Iterator[Finding]:
    """Whether events are sent here, signed, and arrive."""
    yield from _of(checking.webhook(), where)


def domains(where: Surroundings) -> Iterator[Finding]:
    """Whether SendGrid may send in the name of each sender's domain. All at once: there may be many."""
    names = checking.sender_domains()
    found: dict[str, Found] = {}

    def look(name: str) -> None:
        found[name] = checking.sender_domain(name, where.resolver)

    threads = [threading.Thread(target=look, args=(name,), daemon=True) for name in names]
    deadline = time.monotonic() + _DOMAIN_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    for name in names:
        if name in found:
            yield from (_named(name, one) for one in _of(found[name], where))
        else:
            yield from unknown(
                f"{name}: no answer in time", "Look at this machine's name servers, then run this again."
            )
    if not names:
        yield from fine("there is no newsletter yet, so no sender")


def _named(name: str, one: Finding) -> Finding:
    return one if name in one.text else Finding(one.level, f"{name}: {one.text}", one.remedy)


def _of(found: Found, where: Surroundings) -> Iterator[Finding]:
    """What was found; in a trial it is the sandbox that says so."""
    for one in found.findings:
        text = one["text"].replace("SendGrid", "the sandbox") if where.settings.sandbox else one["text"]
        yield Finding(_LEVELS[one["tone"]], text, one["fix"])
    for record in found.records:
        if record["valid"] != "yes":
            yield Finding(
                WARNING, f"the record {record['kind']} {record['host']} is not set", f"Its value: {record['value']}"
            )
