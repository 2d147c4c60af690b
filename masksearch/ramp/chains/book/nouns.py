"""Nouns of people, works and groups, by which an article's first sentence shows what it is about."""

from __future__ import annotations

HUMAN = frozenset(
    """person man woman child boy girl footballer sprinter wrestler striker member son daughter
    brother sister wife husband king queen prince princess emperor duke earl count baron bishop
    archbishop pope saint monk nun priest pastor rabbi judge lawyer attorney physician doctor
    nurse surgeon engineer architect chemist physicist biologist mathematician economist
    philosopher historian scientist artist pianist guitarist violinist drummer bassist cellist
    vocalist musician journalist novelist dramatist poet politician statesman diplomat general
    admiral soldier officer pilot astronaut athlete coach comedian model chef businessman
    businesswoman entrepreneur executive activist academic professor student quarterback
    linebacker goalkeeper midfielder defender forward pitcher catcher infielder outfielder
    golfer boxer jockey swimmer cyclist cricketer skater skier gymnast rower racer actress
    hostess host celebrity aristocrat nobleman noblewoman monarch governor senator mayor
    president chancellor minister congressman congresswoman magician criminal gangster murderer
    spy hacker rapper librarian clergyman cleric theologian missionary nobility actor director
    singer songwriter writer author producer composer screenwriter filmmaker playwright painter
    sculptor photographer dancer choreographer presenter broadcaster player manager lecturer
    teacher designer editor publisher translator critic explorer inventor banker""".split()  # noqa: SIM905
)
NOT_OCCUPATION = frozenset(
    """member son daughter mother father sister brother wife husband person man woman child boy
    girl celebrity figure character""".split()  # noqa: SIM905
)
"""Nouns of people that are no answer to "What is the occupation of ...?"."""
WORKS = frozenset(
    """film movie album song single novel series book episode play game opera documentary sitcom
    musical magazine newspaper poem painting track EP soundtrack""".split()  # noqa: SIM905
)
GROUPS = frozenset(
    """band group duo trio quartet company team club ensemble orchestra studio label""".split()  # noqa: SIM905
)
VAGUE = frozenset(
    """name term part one type member person man woman figure talk thing kind form set list number
    use example piece line result way work point area unit role character period event concept""".split()  # noqa: SIM905
)
"""Nouns that do not tell what an article is about."""


_FEMALE = {
    "actress": "actor",
    "hostess": "host",
    "businesswoman": "businessman",
    "congresswoman": "congressman",
}


MAKES = {
    "direct": frozenset(
        """director filmmaker producer actor screenwriter writer animator cinematographer choreographer
    playwright""".split()  # noqa: SIM905
    ),
    "write": frozenset(
        """writer author novelist poet playwright screenwriter journalist songwriter musician singer
    director producer composer comedian actor historian rapper""".split()  # noqa: SIM905
    ),
    "perform": frozenset(
        """singer musician rapper songwriter band actor artist performer dj guitarist pianist vocalist
    producer entertainer actress""".split()  # noqa: SIM905
    ),
    "compose": frozenset(
        """composer musician songwriter pianist singer producer conductor""".split()  # noqa: SIM905
    ),
}
MAKES["record"] = MAKES["perform"]
"""Verb -> occupations of those who do it. Another person of the same name has another occupation."""


def neutral(noun: str) -> str:
    """Returns the noun that means women and men alike: "film actress" -> "film actor"."""
    start, _, head = noun.rpartition(" ")
    return f"{start} {_FEMALE.get(head, head)}".strip()


def may_be_human(noun: str) -> bool:
    """Whether a noun may name a person: a listed one, or one that ends as nouns of occupation do."""
    return noun in HUMAN or noun.endswith(("er", "or", "ist", "ian", "ress", "man", "woman"))
