"""Dates, times and numbers as a language writes them. Refuses to show a time without its zone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError, dates, numbers

from service.domain.languages import SOURCE, match

_LOCALES = {"en": "en_GB", "zh-Hans": "zh_Hans_CN", "de": "de_DE", "fr": "fr_FR"}


def format_date(value: date | datetime, language: str, zone: str = "UTC") -> str:
    """The day in words, “24 November 2026”; a moment's day is the one that it falls on in that zone."""
    if isinstance(value, datetime):
        value = _there(value, zone)
    return dates.format_date(value, "long", locale=_locale(language))


def format_day(value: date, form: str, language: str) -> str:
    """A day as an issue in any language writes it: long “24 November 2026”, short “24 Nov 2026”, month “November 2026”."""
    locale = _any_locale(language)
    if form == "month":
        return dates.format_skeleton("yMMMM", value, locale=locale)
    return dates.format_date(value, "medium" if form == "short" else "long", locale=locale)


def format_datetime(value: datetime, language: str, zone: str = "UTC") -> str:
    """Day and minute with the zone's short name, “24 November 2026 at 09:00 CET”. A value without a zone is in UTC."""
    moment, locale = _there(value, zone), _locale(language)
    between = str(dates.get_datetime_format("long", locale=locale)).replace("'", "")
    day = dates.format_date(moment, "long", locale=locale)
    minute = dates.format_time(moment, "short", locale=locale)
    return f"{between.format(minute, day)} {_zone_name(moment, locale)}"


def format_number(value: float, language: str) -> str:
    """The number with the language's marks for thousands and decimals."""
    return numbers.format_decimal(value, locale=_locale(language))


def name_language(tag: str, language: str) -> str:
    """What the second language calls the first, “Chinese (Simplified)”; the tag itself where it has no name for it."""
    try:
        return Locale.parse(tag, sep="-").get_display_name(_locale(language)) or tag
    except (UnknownLocaleError, ValueError):
        return tag


def _locale(language: str) -> str:
    return _LOCALES[match(language) or SOURCE]


def _any_locale(language: str) -> Locale:
    """Issues are written in more languages than the service speaks."""
    if match(language) is None:
        try:
            return Locale.parse(language.replace("_", "-"), sep="-")
        except (UnknownLocaleError, ValueError):
            pass
    return Locale.parse(_locale(language))


def _zone_name(moment: datetime, locale: str) -> str:
    """What people there call the zone, where the language has a short name for it; else its distance from UTC."""
    offset = moment.utcoffset()
    if not offset:
        return "UTC"
    name = dates.get_timezone_name(moment, "short", locale=locale)
    return name if name.isalpha() else f"UTC{name[:3]}:{name[3:]}"


def _there(value: datetime, zone: str) -> datetime:
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return moment.astimezone(UTC)
