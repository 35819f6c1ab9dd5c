"""Sentences, dates and numbers in a reader's language. Knows no web: workers write mails with it."""

from service.domain.languages import LANGUAGES, best, match
from service.languages.catalogues import Translation, translation
from service.languages.formats import format_date, format_datetime, format_number
from service.languages.sentences import mark, say, say_number
from service.languages.templates import equip

__all__ = [
    "LANGUAGES",
    "Translation",
    "best",
    "equip",
    "format_date",
    "format_datetime",
    "format_number",
    "mark",
    "match",
    "say",
    "say_number",
    "translation",
]
