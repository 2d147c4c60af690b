"""Quotes of the planned teacher: a few words around a value, from a word that a reader could begin with."""

import pytest

from masksearch.synthesis.oracle.linking import Shown
from masksearch.synthesis.oracle.planned.quoting import find_value

LIFE = "Ann Lee (née Ray; 2 May 1921 – 8 June 1968) was an American writer who lived in Rome."


@pytest.mark.parametrize(
    ("text", "value", "quote"),
    [
        (LIFE, "American", "was an American writer who"),
        (LIFE, "8 June 1968", "– 8 June 1968) was an"),
        (LIFE, "2 May 1921", "Lee (née Ray; 2 May 1921 – 8"),
        (LIFE, "Rome", "who lived in Rome."),
        (
            "Heat (1995 film) is a film directed by Michael Mann. It",
            "Michael Mann",
            "film directed by Michael Mann. It",
        ),
        ('He wrote "Blue (Part 2) Moon" in Paris in 1980.', "Paris", "in Paris in 1980."),
        ("Lee (Latin: Laius) Ray", "Laius", "Lee (Latin: Laius) Ray"),
    ],
)
def test_a_quote_begins_with_no_end_of_a_bracket_or_date(text: str, value: str, quote: str) -> None:
    shown = Shown(1, "p", "d", "Ann Lee", text, "Ann Lee")
    found = find_value([shown], value, lambda _: True)
    assert found is not None
    assert found.quote == quote
    assert " ".join(quote.split()) in text
