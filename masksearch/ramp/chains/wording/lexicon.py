"""Words by which facts are asked for and described."""

from __future__ import annotations

AGENTS = {
    "direct": "director", "write": "writer", "create": "creator", "produce": "producer",
    "found": "founder", "compose": "composer", "develop": "developer", "publish": "publisher",
    "design": "designer", "edit": "editor", "own": "owner", "host": "host", "narrate": "narrator",
    "invent": "inventor", "illustrate": "illustrator", "manufacture": "manufacturer",
    "operate": "operator", "build": "builder", "perform": "performer", "record": "performer",
    "discover": "discoverer", "lead": "leader", "present": "presenter", "paint": "painter",
    "distribute": "distributor", "sponsor": "sponsor", "coach": "coach", "author": "author",
    "co-write": "co-writer", "establish": "founder",
}  # fmt: skip
"""Verb -> noun of its agent."""
MAKERS = {
    **dict.fromkeys(
        """album song single EP track tour mixtape soundtrack""".split(),  # noqa: SIM905
        "performer",
    ),
    **dict.fromkeys(
        """novel book story poem play essay memoir autobiography trilogy biography comic""".split(),  # noqa: SIM905
        "author",
    ),
    **dict.fromkeys(["painting", "sculpture", "fresco"], "artist"),
    **dict.fromkeys(
        """opera symphony musical ballet concerto sonata suite""".split(),  # noqa: SIM905
        "composer",
    ),
}
"""Noun of a work -> noun of who made it."""
PAST = {
    "written": "wrote", "drawn": "drew", "sung": "sang", "built": "built", "led": "led", "won": "won",
    "bought": "bought", "sold": "sold", "taught": "taught", "made": "made", "held": "held", "run": "ran",
    "cowritten": "cowrote", "co-written": "co-wrote", "rewritten": "rewrote", "begun": "began",
}  # fmt: skip
"""Participle -> past tense of irregular verbs."""
LIGHT = frozenset(
    """be have do take make become follow go get include use see come begin know call name give
    consist mean refer describe consider say accuse mark contain involve appear raise note
    regard list rank find think expect believe report cover represent estimate gross remain
    continue serve lie span star feature border add start lose finish end run set hear seem tend
    want try help show turn bring put leave keep receive allow need move change meet offer
    provide reach debut open premier premiere occur happen apply base date relate associate
    compare credit cite mention dedicate inspire nominate award""".split()  # noqa: SIM905
)
"""Verbs whose facts are not asked for: their object or preposition alone does not say what is asked."""
LIGHT_BUT = {
    ("base", "in"), ("open", "in"), ("open", "on"), ("premiere", "on"), ("premiere", "in"),
    ("inspire", "by"), ("occur", "in"), ("set", "in"),
}  # fmt: skip
"""(verb, preposition) of light verbs that do say what is asked."""
PLACES = ("GPE", "LOC", "FAC")
NOUNS = {
    "ORG": "organization", "GPE": "place", "LOC": "place", "FAC": "place", "WORK_OF_ART": "work",
    "EVENT": "event", "PRODUCT": "product", "AWARD": "award",
}  # fmt: skip
"""Entity label -> noun for a value of which no more is known."""
RELATIVES = frozenset(
    """nephew niece cousin grandson granddaughter""".split()  # noqa: SIM905
)
"""Nouns of "X is the NOUN of Y" that are asked for by what X is. Nearer relatives are facts of their own."""
PLACE_PREPOSITIONS = ("in", "at", "on", "near")
PREPOSITIONS = ("for", "at", "in", "with", "on", "from", "by", "to", "of", "under", "near")
"""Prepositions whose facts are asked for with a name."""


def is_light(word: str, prep: str) -> bool:
    """Whether a verb with a preposition says too little to be asked for."""
    return word in LIGHT and (word, prep) not in LIGHT_BUT


def third_person(verb: str) -> str:
    """Returns the third person of a verb's base form: "belong" -> "belongs", "carry" -> "carries"."""
    if verb == "have":
        return "has"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "x", "ch", "sh", "o")) else f"{verb}s"


def possessive(name: str) -> str:
    """Returns "Maria's", "Hodges'"; empty for a description, or a name too long to be read so."""
    if len(name.split()) > 5 or any(word in name.split() for word in ("of", "that", "who", "whose", "which")):
        return ""
    return f"{name}'" if name.endswith("s") else f"{name}'s"
