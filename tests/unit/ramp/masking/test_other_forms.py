"""A span that is visible in another form: acronyms, peoples, numbers in other dress, translations."""

import pytest

from masksearch.ramp.masking.acronyms import acronym_letters, initials_of, spells_out
from masksearch.ramp.masking.numerals import CENTURY, DECADE, numbers_in
from masksearch.ramp.masking.peoples import peoples
from masksearch.ramp.masking.rules import usable_spans
from masksearch.types import Passage, Span

FILLER = " Then a good deal more happened to all of those who were there at that time."


def is_masked(text, piece, title="Andrew Barto", language="en"):
    found = Passage(id="p", doc_id="d", title=title, text=text + FILLER, language=language)
    start = text.index(piece)
    return bool(usable_spans(found, [Span(start=start, end=start + len(piece), category="ORG")]))


@pytest.mark.parametrize(
    ("text", "piece", "title"),
    [
        ("The United Nations met, and the UN agreed with them.", "United Nations", "T"),
        ("The United Nations met, and the UN agreed with them.", "UN", "T"),
        ("The U.N. met before the United Nations had a house.", "U.N.", "T"),
        ("He lived in Milwaukee, WI, which is in Wisconsin itself.", "Wisconsin", "T"),
        ("He lived in Milwaukee, WI, which is in Wisconsin itself.", "WI", "T"),
        ("It was ANSI that made the rule in those days.", "ANSI", "American National Standards Institute"),
        ("The American Standards Association's (ASA) rule was first.", "ASA", "T"),
        ("The American Standards Association's (ASA) rule was first.", "American Standards Association", "T"),
        ("In the International System of Units (SI) it is one.", "International System of Units", "T"),
        ("He worked for the Federal Bureau of Investigation till the FBI paid.", "FBI", "T"),
        ("They signed a memorandum of understanding (MoU) there.", "MoU", "T"),
        ("They call accident and emergency (A&E) so there.", "A&E", "T"),
        ("Here ANOVA is used by all of those people.", "ANOVA", "Analysis of variance"),
        ("An automated teller machine is called ATM by all of them.", "ATM", "T"),
    ],
)
def test_acronyms_and_their_long_forms(text, piece, title):
    assert not is_masked(text, piece, title)


PAIRS = """
    Italy/Italian Thailand/Thai France/French Spain/Spanish England/English China/Chinese Greece/Greek
    Netherlands/Dutch Poland/Polish Turkey/Turkish Denmark/Danish Wales/Welsh Switzerland/Swiss
    Ireland/Irish Scotland/Scottish Sweden/Swedish Finland/Finnish Britain/British Iraq/Iraqi
    Peru/Peruvian Cuba/Cuban Iran/Iranian Egypt/Egyptian Germany/German Austria/Austrian
    Norway/Norwegian Portugal/Portuguese Hungary/Hungarian Romania/Romanian Bulgaria/Bulgarian
    Serbia/Serbian Croatia/Croatian Slovenia/Slovene Slovakia/Slovak Ukraine/Ukrainian Russia/Russian
    Georgia/Georgian Armenia/Armenian Israel/Israeli Syria/Syrian Lebanon/Lebanese Jordan/Jordanian
    Yemen/Yemeni Oman/Omani Qatar/Qatari Kuwait/Kuwaiti India/Indian Pakistan/Pakistani Nepal/Nepalese
    Bangladesh/Bangladeshi Myanmar/Burmese Vietnam/Vietnamese Laos/Laotian Cambodia/Cambodian
    Malaysia/Malaysian Indonesia/Indonesian Philippines/Filipino Japan/Japanese Mongolia/Mongolian
    Australia/Australian Fiji/Fijian Samoa/Samoan Tonga/Tongan Canada/Canadian Mexico/Mexican
    Guatemala/Guatemalan Honduras/Honduran Panama/Panamanian Haiti/Haitian Jamaica/Jamaican
    Brazil/Brazilian Argentina/Argentine Chile/Chilean Bolivia/Bolivian Ecuador/Ecuadorean
    Colombia/Colombian Venezuela/Venezuelan Uruguay/Uruguayan Paraguay/Paraguayan Kenya/Kenyan
    Ghana/Ghanaian Nigeria/Nigerian Niger/Nigerien Mali/Malian Chad/Chadian Libya/Libyan
    Tunisia/Tunisian Algeria/Algerian Morocco/Moroccan Madagascar/Malagasy Monaco/Monegasque
    Malta/Maltese Cyprus/Cypriot Iceland/Icelandic Spain/Spaniard Sweden/Swede Denmark/Dane Poland/Pole
    Turkey/Turk Finland/Finn Scotland/Scot
"""


@pytest.mark.parametrize(("country", "people"), [pair.split("/") for pair in PAIRS.split()])
def test_a_country_and_its_people_reveal_each_other(country, people):
    pytest.importorskip("countryinfo")
    text = f"He was born in {country} and wrote as a {people} would."
    assert not is_masked(text, country)
    assert not is_masked(text, people)
    assert not is_masked(f"He was born in {country} and wrote.", country, title=f"{people} music")


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("He was born in the UK and had a British passport.", "UK"),
        ("He was born in the United Kingdom and had a British passport.", "United Kingdom"),
        ("He was born in the United Kingdom, as all of the UK knows.", "United Kingdom"),
        ("He left the United States with an American passport.", "United States"),
        ("He left the USA for another part of the United States.", "USA"),
        ("He lived in South Korea and had South Korean friends.", "South Korea"),
        ("He went to the UAE, the United Arab Emirates of today.", "UAE"),
        ("She was launched as München, sometimes spelled Muenchen, in that year.", "München"),
    ],
)
def test_other_names_of_a_country(text, piece):
    pytest.importorskip("countryinfo")
    assert not is_masked(text, piece)


@pytest.mark.parametrize(
    ("language", "text", "piece"),
    [
        ("es", "Nació en Italia y hablaba el italiano de su casa.", "Italia"),
        ("es", "Nació en Tailandia y hablaba el tailandés de su casa.", "Tailandia"),
        ("fr", "Il est né en Italie et parle l'italien de sa mère.", "Italie"),
        ("fr", "Il est né en Thaïlande et parle le thaï de sa mère.", "Thaïlande"),
    ],
)
def test_countries_in_other_languages(language, text, piece):
    pytest.importorskip("babel")
    assert not is_masked(text, piece, language=language)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("It has 1,234,567 people, that is 1234567 of them.", "1,234,567", "1234567"),
        ("It has 1 234 567 people, that is 1234567 of them.", "1 234 567", "1234567"),
        ("It cost 1.5 million dollars, that is 1,500,000 of them.", "1.5 million", "1,500,000"),
        ("There were 25 of them, and twenty-five stayed there.", "25", "twenty-five"),
        ("Of these 5% went, and five percent stayed at home.", "5%", "five percent"),
        ("He came in 1987 and he left in '87 or so.", "1987", "'87"),
        ("He came in 1987 and played the 1986–87 season there.", "1987", "87"),
        ("In the 1800s, it was the 19th century then.", "1800s", "19th century"),
        ("In the 1800s, it was the nineteenth century then.", "1800s", "nineteenth century"),
        ("In the 1960s, it was the sixties for them.", "1960s", "sixties"),
        ("In the 1960s, it was the '60s for them.", "1960s", "60s"),
    ],
)
def test_a_number_in_other_dress(text, first, second):
    pytest.importorskip("num2words")
    assert not is_masked(text, first)
    assert not is_masked(text, second)


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("He moved to Moscow (Russian: Москва) in those days.", "Moscow"),
        ("He moved to Moscow (Москва) in those days.", "Moscow"),
        ("He moved to Moscow (Russian: Москва) in those days.", "Москва"),
        ("He moved to Vienna (German: Wien) in those days.", "Vienna"),
        ("He moved to Vienna (German: Wien) in those days.", "Wien"),
        ("He moved to Kyoto (京都) in those days.", "Kyoto"),
        ("The language, sometimes spelled Panjabi, is old.", "Panjabi"),
    ],
)
def test_a_translation_beside_the_name(text, piece):
    assert not is_masked(text, piece)


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("He moved from Italy to the United States in 1950.", "Italy"),
        ("He moved from Italy to the United States in 1950.", "United States"),
        ("The UN met in the house of Hector Hayes.", "Hector Hayes"),
        ("It has 1,234 people and 25 houses, and 4 of 12 stayed.", "1,234"),
        ("It has 1,234 people and 25 houses, and three stayed.", "25"),
        ("In the 19th century, and in 1850 above all.", "1850"),
        ("He met us in Boston, and polish remained on his shoes.", "Boston"),
        ("He was born in Poland and liked furniture, as us.", "Poland"),
        ("He moved to Moscow (then a town) in those days.", "Moscow"),
        ("He lived in Oregon or in a house of hers.", "Oregon"),
    ],
)
def test_what_stays_hidden(text, piece):
    assert is_masked(text, piece)


@pytest.mark.parametrize(
    ("text", "piece", "may"),
    [
        ("He liked art. Avante-Garde. He liked it", "Avante-Garde", False),
        ("He liked art of the Avante-Garde. He liked it", "Avante-Garde", True),
        ("Genre: Avante-Garde", "Avante-Garde", True),  # the sentence goes on
    ],
)
def test_a_sentence_asks_something(text, piece, may):
    assert is_masked(text, piece) is may


def test_letters_of_acronyms():
    assert [acronym_letters(piece) for piece in ("U.N.", "UN", "AT&T", "DVDs", "Un", "A")] == [
        "un",
        "un",
        "att",
        "dvd",
        "",
        "",
    ]
    assert initials_of(["Organisation", "des", "Nations", "unies"]) == {"odnu", "onu", "on"}
    assert spells_out(["body", "of", "Nurses", "United"], "nu")
    assert not spells_out(["body", "of", "nurses", "united"], "nu")


def test_values_of_numbers():
    pytest.importorskip("num2words")

    def values(text, language="en"):
        return [(number.value, number.kind) for number in numbers_in(text, language)]

    assert values("1.5 million and 19 082 000") == [(1_500_000, ""), (19_082_000, "")]
    assert values("1.234.567,5 y 25") != []
    assert values("veinticinco", "es") == values("vingt-cinq", "fr") == values("twenty-five") == [(25, "")]
    assert values("the 1800s and 1960s") == [(19, CENTURY), (1960, DECADE)]
    assert values("the nineteenth century") == [(19, CENTURY)]


def test_without_the_packages_the_own_lists_remain(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    peoples.cache_clear()
    try:
        assert not is_masked("He was born in the UK and had a British passport.", "UK")
    finally:
        peoples.cache_clear()
