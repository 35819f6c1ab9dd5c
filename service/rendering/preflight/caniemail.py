"""Which features of HTML and CSS the large mail programs know: the data of caniemail.com, kept beside this file with its licence."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("caniemail.json")
SHA256 = "28121a5dac0eab0f405ff091af8408c2aa092e6ff22e3240c4e42388b7f403a4"
"""Of the file in caniemail 2.0.2, data of 13 May 2026."""
LARGE = ("apple-mail", "gmail", "outlook", "yahoo", "samsung-email")


@lru_cache(maxsize=1)
def _features() -> dict[str, tuple[str, tuple[str, ...]]]:
    whole: dict[str, Any] = json.loads(DATA.read_text("utf-8"))
    families, platforms = whole["nicenames"]["family"], whole["nicenames"]["platform"]
    return {one["slug"]: (one["title"], _without(one["stats"], families, platforms)) for one in whole["data"]}


def _without(stats: dict[str, Any], families: dict[str, str], platforms: dict[str, str]) -> tuple[str, ...]:
    """The large programs whose newest tested version does not know it at all."""
    return tuple(
        f"{families[family]} ({platforms.get(platform, platform)})"
        for family in LARGE
        for platform, versions in stats.get(family, {}).items()
        if versions and list(versions.values())[-1].split()[0] == "n"
    )


def title(slug: str) -> str:
    """What the feature is called."""
    return _features()[slug][0]


def is_known(slug: str) -> bool:
    """Whether the data say anything of a feature, such as "css-border-radius"."""
    return slug in _features()


def without(slug: str) -> tuple[str, ...]:
    """The large mail programs that do not know the feature, such as "Outlook (Windows)"."""
    return _features()[slug][1]
