"""Synthetic readers at reserved domains, the same for the same number."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

GIVEN = (
    "Ada",
    "Ben",
    "Carla",
    "David",
    "Emma",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jun",
    "Karim",
    "Lena",
    "美玲",
    "Mateo",
    "Nora",
    "伟",
    "Olga",
    "Paul",
    "晓燕",
    "Sara",
)
FAMILY = (
    "Abbott",
    "Brook",
    "Chen",
    "Dietz",
    "Eriksen",
    "Fontaine",
    "García",
    "Haas",
    "Ito",
    "Jensen",
    "Kowalski",
    "李",
    "Meier",
    "Novak",
    "O'Brien",
    "王",
    "Rossi",
    "Smith",
    "Tanaka",
    "Weiss",
)
DOMAINS = ("readers.example", "mail.example.com", "post.example.org", "inbox.example.net")


def synthetic(number: int) -> Iterator[dict[str, str]]:
    """So many readers: most agree to tracking, some object, some were never asked; some have no name."""
    draw = random.Random(20_240)  # noqa: S311 - repeatable, not secret
    for n in range(number):
        given, family = draw.choice(GIVEN), draw.choice(FAMILY)
        yield {
            "email": f"reader{n:06d}@{DOMAINS[n % len(DOMAINS)]}",
            "first_name": "" if draw.random() < 0.05 else given,
            "last_name": family,
            "language": draw.choice(("en", "en", "en", "zh-Hans", "de")),
            "tracking": draw.choices(("yes", "no", ""), (0.6, 0.1, 0.3))[0],
            "organisation": draw.choice(("Harbour Mills", "Northwind Labs", "明川科技", "")),
        }


def write(path: Path, number: int) -> None:
    """A CSV file of synthetic readers."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer: csv.DictWriter[str] | None = None
        for row in synthetic(number):
            if writer is None:
                writer = csv.DictWriter(file, row.keys())
                writer.writeheader()
            writer.writerow(row)
