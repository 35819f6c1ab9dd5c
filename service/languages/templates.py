"""Gives a template environment, a page's or a mail's, its words and formats. Refuses to know where the language comes from."""

from collections.abc import Callable
from datetime import date, datetime

from jinja2 import Environment

from service.languages.catalogues import translation
from service.languages.formats import format_date, format_datetime, format_number


def equip(environment: Environment, language: Callable[[], str]) -> None:
    """`_`, `ngettext` and `{% trans %}`; the filters `date`, `datetime` and `number`. `language` is asked at each sentence."""

    def _date(value: date | datetime, zone: str = "UTC") -> str:
        return format_date(value, language(), zone)

    def _datetime(value: datetime, zone: str = "UTC") -> str:
        return format_datetime(value, language(), zone)

    environment.add_extension("jinja2.ext.i18n")
    # A sentence is the same however its lines are broken.
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: translation(language()).gettext(text),
        lambda one, many, number: translation(language()).ngettext(one, many, number),
        newstyle=True,
    )
    environment.filters.update(date=_date, datetime=_datetime, number=lambda value: format_number(value, language()))
