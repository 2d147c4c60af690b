"""Names the packages with word lists that a run would use and that are not installed.

The run works without them, but its masks are weaker: the rule `not-inferable` knows fewer countries and
number words, and no terms are added to passages with few names.
"""

from __future__ import annotations

import importlib.util

from masksearch.ramp.masking.numerals import NUMBER_WORDS
from masksearch.ramp.masking.peoples import COUNTRIES
from masksearch.ramp.settings import MaskSettings

FREQUENCIES = "wordfreq"


def missing_lists(settings: MaskSettings) -> str:
    """Returns a sentence about the missing packages and what they change, or an empty text; chained tasks
    need none."""
    wanted: dict[str, str] = {}
    if settings.chained:
        return ""
    if "not-inferable" in settings.verify and settings.language != "zh":
        wanted = dict.fromkeys(COUNTRIES, "names of countries and peoples")
        wanted |= dict.fromkeys(NUMBER_WORDS, "numbers in words")
    if "ner" in settings.extractors and settings.terms_where_few:
        wanted[FREQUENCIES] = "terms where there are few names"
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    without = ", ".join(dict.fromkeys(wanted[name] for name in missing))
    names, verb = " and ".join(missing), "is" if len(missing) == 1 else "are"
    return (
        f"{names} {verb} not installed, so the masks do without: {without}. "
        "Install them with: pip install 'masksearch[terms]'"
    )
