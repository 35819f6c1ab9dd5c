"""Domains that are known by name: mailboxes that many people have, of which a misspelling is likely, and mailboxes for a
few minutes. Advises and flags; refuses nobody."""

from functools import lru_cache

_COMMON = """
    126.com 139.com 163.com aliyun.com aol.com bluewin.ch btinternet.com foxmail.com free.fr gmail.com gmx.at gmx.ch gmx.de
    gmx.net googlemail.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr icloud.com laposte.net live.com live.fr mac.com
    mail.com mail.ru me.com msn.com orange.fr outlook.com outlook.de outlook.fr posteo.de proton.me protonmail.com qq.com
    sfr.fr sina.com sohu.com t-online.de wanadoo.fr web.de yahoo.co.jp yahoo.co.uk yahoo.com yahoo.de yahoo.fr yandex.ru
    yeah.net
"""
COMMON = frozenset(_COMMON.split())

_DISPOSABLE = """
    10minutemail.com 20minutemail.com burnermail.io discard.email dispostable.com emailondeck.com fakeinbox.com
    getairmail.com getnada.com guerrillamail.biz guerrillamail.com guerrillamail.de guerrillamail.info guerrillamail.net
    guerrillamail.org guerrillamailblock.com harakirimail.com inboxbear.com incognitomail.org jetable.org mailcatch.com
    maildrop.cc mailexpire.com mailforspam.com mailinator.com mailinator.net mailnesia.com mailnull.com mailsac.com
    meltmail.com mintemail.com mohmal.com mytemp.email mytrashmail.com nada.email sharklasers.com spam4.me spambog.com
    spamgourmet.com temp-mail.io temp-mail.org tempail.com tempinbox.com tempmail.com tempmail.net tempmailaddress.com
    throwawaymail.com trash-mail.com trashmail.com trashmail.de trashmail.net wegwerfemail.de wegwerfmail.de yopmail.com
    yopmail.fr yopmail.net
"""
DISPOSABLE = frozenset(_DISPOSABLE.split())
"""The best-known ones, collected by hand; a hint for the team, not a complete roll, and no copy of one."""


def is_disposable(domain: str) -> bool:
    """Whether a domain, or one above it, gives out mailboxes for a few minutes."""
    labels = domain.split(".")
    return any(".".join(labels[n:]) in DISPOSABLE for n in range(len(labels) - 1))


@lru_cache(maxsize=1000)
def likely_meant(domain: str) -> str | None:
    """The common domain that this one is a slip away from (`gmial.com`, `gmail.con`); None when it is common itself, or like
    none of them. A slip is one character too many, missing, wrong, or two changed places."""
    if domain in COMMON:
        return None
    near = sorted(one for one in COMMON if abs(len(one) - len(domain)) <= 1 and _is_a_slip(domain, one))
    return near[0] if near else None


def _is_a_slip(typed: str, meant: str) -> bool:
    if len(meant) < 7:  # Short names are too near to each other: qq.com and q.com may both be meant.
        return False
    start = next((n for n, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b), min(len(typed), len(meant)))
    a, b = typed[start:], meant[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
