"""The languages that readers are spoken to in, and which of them somebody means by a tag or by what a browser sends.
Refuses to guess: what is none of them is None."""

import re

LANGUAGES = {"en": "English", "zh-Hans": "简体中文", "de": "Deutsch", "fr": "Français"}
"""Tag → the language's own name. The first is the one that the sentences are written in."""

SOURCE = next(iter(LANGUAGES))

_CHINESE = ("zh", "cmn")
_TRADITIONAL = {"hant", "tw", "hk", "mo"}
_RANGE = re.compile(r"\s*([A-Za-z0-9*_-]{1,40})\s*(?:;\s*q\s*=\s*([0-9.]{1,5})\s*)?")
_MOST = 50
"""Entries of an Accept-Language that are looked at; browsers send about five."""


def match(tag: str | None) -> str | None:
    """The language that a stored or typed tag means: “zh”, “zh-CN” and “zh_Hans” are zh-Hans, “de-AT” is de."""
    subtags = (tag or "").strip().replace("_", "-").lower().split("-")
    primary = "zh-Hans" if subtags[0] in _CHINESE else subtags[0]
    return primary if primary in LANGUAGES else None


def best(accept_language: str | None) -> str | None:
    """The language that an Accept-Language header asks for most. Readers of Traditional Chinese get Simplified only where
    nothing else that they read is there. “*” asks for nothing."""
    wanted: list[tuple[bool, float, str]] = []
    refused: set[str] = set()
    for part in (accept_language or "").split(",")[:_MOST]:
        if not (found := _RANGE.fullmatch(part)) or (tag := match(found[1])) is None:
            continue
        if (quality := _quality(found[2])) > 0:
            wanted.append((is_traditional(found[1]), -quality, tag))
        elif found[1].lower() == tag.lower():
            refused.add(tag)
    # The sort keeps the header's order among equals.
    ordered = sorted(wanted, key=lambda one: one[:2])
    return next((tag for _, _, tag in ordered if tag not in refused), None)


def is_traditional(tag: str) -> bool:
    """Whether a tag means Chinese in traditional characters, by its script or else by its place."""
    subtags = tag.replace("_", "-").lower().split("-")
    return subtags[0] in _CHINESE and "hans" not in subtags and bool(_TRADITIONAL & set(subtags[1:]))


def _quality(written: str | None) -> float:
    try:
        return 1.0 if written is None else min(float(written), 1.0)
    except ValueError:
        return 0.0
