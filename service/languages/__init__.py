"""Sentences, dates and numbers in a reader's language. Knows no web: workers write mails with it."""

from service.domain.languages import LANGUAGES, best, match
from service.languages.catalogues import Translation, translation
from service.languages.formats import format_date, format_datetime, format_day, format_number, name_language
from service.languages.sentences import mark, say, say_number
from service.languages.templates import equip

__all__ = [
    "LANGUAGES",
    "Translation",
    "best",
    "equip",
    "format_date",
    "format_datetime",
    "format_day",
    "format_number",
    "mark",
    "match",
    "name_language",
    "say",
    "say_number",
    "translation",
]
