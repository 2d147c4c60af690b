"""A sample tells whether a corpus is in the language of the settings."""

import pytest

from masksearch.ramp.checks.language_sample import language_warning, looks_like
from masksearch.types import Passage

TEXTS = {
    "en": "The house stood at the end of the road, and nobody who had seen it then would "
    "have thought that it was ever to be the seat of a king or of his sons.",
    "es": "La casa estaba al final del camino, y nadie que la hubiera visto entonces habría "
    "pensado que algún día sería la sede de un rey o de sus hijos en el país.",
    "fr": "La maison se trouvait au bout de la route, et personne qui l'avait vue alors "
    "n'aurait pensé qu'elle serait un jour le siège d'un roi ou de ses fils dans le "
    "pays.",
    "zh": "这座房子位于道路的尽头，当时见过它的人都不会想到它有一天会成为国王或他的儿子们的住所。",
    "de": "Das Haus stand am Ende der Straße, und niemand, der es damals gesehen hatte, "
    "hätte gedacht, dass es einmal der Sitz eines Königs oder seiner Söhne werden "
    "sollte.",
    "he": "הבית עמד בקצה הדרך, ואיש מאלה שראו אותו אז לא היה מעלה על דעתו שיהיה אי פעם "
    "מושבו של מלך או של בניו.",
}


def warning(text, language, own=""):
    passages = [Passage(id=str(n), doc_id=str(n), title="T", text=text, language=own) for n in range(4)]
    return language_warning(passages, language)


@pytest.mark.parametrize("language", ["en", "es", "fr", "zh"])
def test_a_language_looks_like_itself_and_like_no_other(language):
    assert [name for name, text in TEXTS.items() if looks_like(text, language)] == [language]
    assert warning(TEXTS[language], language) == ""


def test_the_warning_names_the_remedy():
    assert warning(TEXTS["fr"], "en") == (
        "Most of this text does not look English (4 of 4 sampled passages): it looks French, so give "
        "--language fr, or expect wrong masks."
    )
    assert warning(TEXTS["he"], "en") == (
        "Most of this text does not look English (4 of 4 sampled passages): masks can be made in English, "
        "Spanish, French, Chinese only, or expect wrong masks."
    )
    assert "does not look French" in warning(TEXTS["de"], "en", own="fr")
    assert warning(TEXTS["fr"], "en", own="fr") == ""


def test_what_says_too_little_is_not_warned_of():
    assert warning("Paris, 1912.", "fr") == warning("Das ist gut.", "en") == language_warning([], "en") == ""
    assert looks_like(TEXTS["de"], "")
