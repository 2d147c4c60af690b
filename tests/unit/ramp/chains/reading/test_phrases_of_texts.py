"""Facts that patterns read off the words of a sentence."""

from __future__ import annotations

import pytest

from masksearch.ramp.chains.reading.phrases import of_person, of_work


def read(found, text):
    return [
        (phrase.relation.word, phrase.relation.shown, text[phrase.start : phrase.end]) for phrase in found
    ]


def person(text):
    return read(of_person(text), text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Edward was the second son of Henry Howard, 5th Earl of Suffolk, and his wife Mary Stewart.",
            [("parent", "son", "Henry Howard, 5th Earl of Suffolk"), ("parent", "mother", "Mary Stewart")],
        ),
        (
            "He was a son of Emperor Alexander II of Russia, a brother of Emperor Alexander III of Russia.",
            [("parent", "son", "Emperor Alexander II of Russia")],
        ),
        (
            "Lionel was the son of Robert de Beaumont, 1st Earl of Leicester and Elizabeth de Vermandois.",
            [("parent", "son", "Robert de Beaumont, 1st Earl of Leicester")],
        ),
        (
            "He was the son of John II, Count of Dreux and Countess Jeanne of Beaujeu.",
            [("parent", "son", "John II, Count of Dreux"), ("parent", "son", "Countess Jeanne of Beaujeu")],
        ),
        ("Godfrey was the eldest son of Gothelo I, Duke of Upper and Lower Lorraine.", []),
        (
            "She is the daughter of actor John Holt and Mary Stewart.",
            [("parent", "daughter", "John Holt"), ("parent", "daughter", "Mary Stewart")],
        ),
        (
            "Livia Ocellina was the second wife of Gaius Sulpicius Galba.",
            [("spouse", "", "Gaius Sulpicius Galba")],
        ),
        ("On 27 August 1763, he married Urania Fellowes.", [("spouse", "", "Urania Fellowes")]),
        (
            "She is the younger sister of Albert II, Prince of Monaco, and of Caroline.",
            [("sibling", "sister", "Albert II, Prince of Monaco")],
        ),
    ],
)
def test_relatives_have_their_whole_names(text, expected):
    assert [
        (word, shown if word != "spouse" else "", value) for word, shown, value in person(text)
    ] == expected


@pytest.mark.parametrize(
    "text",
    [
        "He was married to Matilda de Percy, daughter of William de Percy.",
        "Philippe was the lover of Philippe I, Duke of Orléans, brother of Louis XIV Bourbon.",
        "Manouchehr worked with Hassan Karroubi (brother of Mehdi Karroubi).",
        "He may have been the son of John Holt.",
        "He was the son of John.",
        "She was not educated at Oxford University.",
        "After her husband died in Paris, she moved away.",
        "He died in March 1901.",
        "The bishop was buried in St.",
        "He died of natural causes.",
        "John Ono Lennon (born John Winston Lennon, 9 October 1940 – 8 December 1980) was a singer.",
        "John Lennon (John Winston Lennon, 9 October 1940 – 8 December 1980) was a singer.",
    ],
)
def test_what_may_be_another_persons_fact_or_half_a_name_is_not_read(text):
    found = [row for row in person(text) if row[0] != "spouse"]
    assert found == []


@pytest.mark.parametrize(
    ("text", "word", "value"),
    [
        ("He died on 17 February 1930 in Los Angeles, California.", "die", "Los Angeles"),
        ("He died 6 December 1860 in Frankfurt am Main.", "die", "Frankfurt am Main"),
        ("Johann Ernst (Gotha, 9 July 1566 – Eisenach, 23 October 1638), was a duke.", "die", "Eisenach"),
        ("Johann Ernst (Gotha, 9 July 1566 – Eisenach, 23 October 1638), was a duke.", "bear", "Gotha"),
        ("Emilia Bayer was born May 5, 1934 in Sofia, Bulgaria.", "bear", "Sofia"),
        ("He was buried in the Alexanderkirche in Mainz.", "bury", "Alexanderkirche"),
        ("She graduated from Harvard Law School in 1975.", "educate", "Harvard Law School"),
        ("He was educated at Magdalene College, Cambridge.", "educate", "Magdalene College, Cambridge"),
        ("He was a professor of botany at Natal University.", "work", "Natal University"),
        (
            "In 2012, Sanders won the Pulitzer Prize in Feature Writing.",
            "win",
            "Pulitzer Prize in Feature Writing",
        ),
        ("He died on 8 March 2009 from a heart attack while in Rome.", "die", "a heart attack"),
    ],
)
def test_what_a_life_is_told_by(text, word, value):
    assert (word, value) in [(found, said) for found, _, said in person(text)]


@pytest.mark.parametrize(
    ("text", "word", "value"),
    [
        ("The film's music was composed by S. D. Burman.", "compose", "S. D. Burman"),
        ("It is noted for its musical score by composer Jerry Goldsmith.", "compose", "Jerry Goldsmith"),
        ('"Thru" is a song recorded by American rapper Cardi Bell for her album.', "perform", "Cardi Bell"),
        (
            "Thank Heavens is the debut studio album by American country band Dixie Chicks.",
            "perform",
            "Dixie Chicks",
        ),
    ],
)
def test_who_made_a_work(text, word, value):
    assert [(found, said) for found, _, said in read(of_work(text), text)] == [(word, value)]


@pytest.mark.parametrize(
    "text",
    [
        "A music video directed by Paul Haggis was released.",
        'The song "Mimi" is a popular song written by Richard Rodgers.',
        "The vocals of the credits song were performed by Lee Van Cleef.",
    ],
)
def test_who_made_something_else_is_not_read(text):
    assert read(of_work(text), text) == []
