"""The few words a design says itself, in the languages it knows; English for the others."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """`why` holds {name}, the newsletter's."""

    notes: str
    why: str
    leave: str
    browser: str
    contents: str
    table: str


_PHRASES = {
    "en": Phrases(
        "Notes",
        "You receive {name} because you subscribed to it.",
        "Leave this newsletter",
        "Read this in your browser",
        "In this issue",
        "Table",
    ),
    "zh": Phrases(
        "注释", "您收到《{name}》，是因为您订阅了它。", "退订本通讯", "在浏览器中阅读本期", "本期内容", "表格"
    ),
    "de": Phrases(
        "Anmerkungen",
        "Sie erhalten {name}, weil Sie es abonniert haben.",
        "Diesen Newsletter abbestellen",
        "Im Browser lesen",
        "In dieser Ausgabe",
        "Tabelle",
    ),
    "fr": Phrases(
        "Notes",
        "Vous recevez {name} parce que vous y êtes abonné.",
        "Se désabonner de cette lettre",
        "Lire dans le navigateur",
        "Dans ce numéro",
        "Tableau",
    ),
}


def phrases(language: str) -> Phrases:
    """The phrases of a language such as "en" or "zh-Hans"."""
    return _PHRASES.get(language.lower().split("-")[0].split("_")[0], _PHRASES["en"])
