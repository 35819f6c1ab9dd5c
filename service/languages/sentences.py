"""Sentences said in a language. A sentence is its own key, written in English, with its values as %(name)s."""

from service.languages.catalogues import translation


def say(language: str, text: str, /, **values: object) -> str:
    """The sentence in that language with its values put in. A percent sign is written “%%”. The values are not escaped."""
    return translation(language).gettext(text) % values


def say_number(language: str, one: str, many: str, /, num: int, **values: object) -> str:
    """The sentence for that number of things; it may hold %(num)s."""
    return translation(language).ngettext(one, many, num) % {"num": num, **values}


def mark(text: str, /) -> str:
    """The text itself, noted as one to be translated where it is said later."""
    return text
