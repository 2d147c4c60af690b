"""Whole spans: the neighbours of each edge decide whether a span is only half a name, range or figure."""

import pytest

from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import extract_spans, make_extractors, resolve
from masksearch.types import Passage, Span


def kept(text, piece, category="ORG", language="en"):
    """Returns what is left of a span in its text."""
    start = text.index(piece)
    span = Span(start=start, end=start + len(piece), category=category)
    return [text[one.start : one.end] for one in resolve(text, [span], language)]


def found(text, *names, language="en"):
    passage = Passage(id="p", doc_id="d", title="T", text=text, language=language)
    (spans,) = extract_spans([passage], make_extractors(MaskSettings(extractors=names)))
    return [text[span.start : span.end] for span in spans]


@pytest.mark.parametrize(
    ("text", "half", "category"),
    [
        ("He moved to Washington, D.C., in May.", "Washington", "GPE"),
        ("He moved to Washington, D.C., in May.", "D.C.", "GPE"),
        ("the album Never Mind the Bollocks, Here's the Sex Pistols came", "Never Mind the Bollocks", "ORG"),
        ("the band Paul Revere and the Raiders played", "Paul Revere", "PERSON"),
        ("the band Paul Revere and the Raiders played", "Raiders", "ORG"),
        ("the comedy Amos 'n' Andy ran", "Andy", "PERSON"),
        ("the comedy Amos 'n' Andy ran", "Amos", "PERSON"),
        ("at the Conservatoire national des arts et metiers in town", "Conservatoire", "ORG"),
        ("he played for Sheffield Wednesday then", "Sheffield", "GPE"),
        ("he won the Heisman Trophy then", "Trophy", "ORG"),
        ("for eval: a checkpoint or openai:NAME with a URL", "openai", "TERM"),
        ("for eval: a checkpoint or openai:NAME with a URL", "NAME", "ORG"),
        ("measured with llama.cpp's own server", "llama", "TERM"),
        ("fruit of the tropical tree Mangifera indica.", "Mangifera", "PERSON"),
        ("never gives a bare answer (EM 0).", "EM 0", "LAW"),
        ("he won the Heisman Trophy then", "Heisman", "PERSON"),
        ("he wrote Symphony No. 5 there", "Symphony No", "WORK_OF_ART"),
        ("a 5th-century BC Athens play", "BC Athens", "GPE"),
        ("the duo Simon & Garfunkel sang", "Garfunkel", "PERSON"),
        ("at the University of Michigan in May", "Michigan", "GPE"),
        ("at the University of Michigan in May", "University", "ORG"),
        ("he moved to St. Louis then", "Louis", "GPE"),
        ("the composer Ludwig van Beethoven came", "Beethoven", "PERSON"),
        ("it was bought by Apple, Inc. in May", "Apple", "ORG"),
        ("sold on Amazon.com then", "Amazon", "ORG"),
        ("the film Star Wars: The Clone Wars is", "Star Wars", "WORK_OF_ART"),
        ('the novel "A Tale of Two Cities" is', "Tale", "WORK_OF_ART"),
        ("the novel “For Whom the Bell Tolls” is", "Bell Tolls", "WORK_OF_ART"),
        ("the rally Paris–Dakar is", "Paris", "GPE"),
        ("the crew of Apollo 11 flew", "Apollo", "PRODUCT"),
        ("the firm Yahoo! is", "Yahoo", "ORG"),
        ("the horse Man o' War won", "War", "WORK_OF_ART"),
        ("with Jehovah's Witnesses there", "Jehovah", "PERSON"),
        ("it is Berber, Chadic, Cushitic and so on", "Berber, Chadic, Cushitic", "ORG"),
        ("the International Bobsleigh and Skeleton Federation is", "Skeleton Federation", "ORG"),
        ("set Default = 3 here", "Default", "ORG"),
        ("set my_Name here", "Name", "ORG"),
        ("install Openai[realtime] here", "Openai", "ORG"),
        ("the United Nations Convention on the Rights of Persons", "United Nations Convention", "ORG"),
    ],
)
def test_half_a_name_is_no_span(text, half, category):
    assert kept(text, half, category) == []


@pytest.mark.parametrize(
    ("text", "name", "category"),
    [
        ("In Paris he met her.", "Paris", "GPE"),
        ("In the Nevada area of the state.", "Nevada", "GPE"),
        ("There is one state: Nevada.", "Nevada", "GPE"),
        ("It was made by organelles.The cell grew.", "organelles", "TERM"),
        ("He lived in Cleveland, Ohio, until then.", "Cleveland", "GPE"),
        ("He lived in Cleveland, Ohio, until then.", "Ohio", "GPE"),
        ("It was shot by President Abraham Lincoln's men.", "Abraham Lincoln", "PERSON"),
        ("The mayor of London came.", "London", "GPE"),
        ("He is Mayor of London now.", "London", "GPE"),
        ("Citizens of France vote.", "France", "GPE"),
        ("The border of France and the United Kingdom.", "France", "GPE"),
        ("It is Bram Stoker's Dracula that he saw.", "Dracula", "WORK_OF_ART"),
        ('He wrote "Ulysses" in Paris and "Dubliners" in Trieste.', "Paris", "GPE"),
        ("At the University of Michigan he taught.", "University of Michigan", "ORG"),
        ("Actor Tom Hanks came.", "Tom Hanks", "PERSON"),
        ("John Smith of Ohio came.", "John Smith", "PERSON"),
    ],
)
def test_a_whole_name_stays(text, name, category):
    assert kept(text, name, category) == [name]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("It is 10–40 m wide and weighs 200–350 g in all.", ["10–40 m", "200–350 g"]),
        ("It lasted from 1942–43 and again 1992–95 there.", ["1942–43", "1992–95"]),
        ("It has 19 082 000 people and is 1 600 km long.", ["19 082 000", "1 600 km"]),
        ("It fell to −40 °C there, later to -12 °C.", ["−40 °C", "-12 °C"]),
        ("It fell by 5–10 °C there.", ["5–10 °C"]),
        ("It is 3 to 5 mm long.", ["3 to 5 mm"]),
        ("He hosted the 2012 London Olympics and 500 Days of Summer.", []),
        ("The War of 1812 and the Amendments Act of 2008 and Windows 2000.", []),
        ("In 1998 Smith moved; in 2001 Apple Computer sold it.", ["1998"]),
        ("It is a 1953 British crime film.", ["1953"]),
        ("The 1958 British Empire Games came.", []),
        ("It was fought September 18–23, 1899, there.", ["September 18–23, 1899"]),
        ("He (1588–1679) wrote, and reigned 1900–1910.", ["1588", "1679", "1900", "1910"]),
        ("A play of the 5th-century BC, and 3 × 120 = 360 too.", ["5th-century BC"]),
        ("From the 9th to 14th centuries it was 1 kg⋅m2 there.", []),
        ("It turned by 361° there and by 45°.", []),
        ("It is arXiv 2505.20285 there.", []),
        ("It is on page 212, in Article 500 and on port 8080.", []),
        ("Class of '87 it is, and 30–60¢ for those between five and 15 years of age.", ["30–60¢"]),
        ("It holds 34500 ML and 7500 acre there.", ["34500 ML", "7500 acre"]),
    ],
)
def test_figures_and_dates_are_whole(text, whole):
    assert found(text, "dates", "numbers") == whole


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Built on 2024-05-17, opened 17/05/2024 and 5/17/24.", ["2024-05-17", "17/05/2024", "5/17/24"]),
        ("Abierto el 17.05.2024 allí.", ["17.05.2024"]),
        ("Version 2.13.5 and 192.168.10.20 are none.", []),
        ("Call 555 1234 or (212) 555-0199, or +44 20 7946 0958 today.", []),
        ("Its phone: 5551234. It has 5551234 fans.", ["5551234"]),
        ("Tel. 020 7946 0958, fax 0171 222 333.", []),
    ],
)
def test_dates_in_figures_and_phone_numbers(text, spans):
    assert found(text, "dates", "numbers", language="es" if "Abierto" in text else "en") == spans


def test_a_part_of_a_name_that_is_too_long_is_no_span():
    text = "the album Never Mind the Bollocks Here's the Sex Pistols was out in 1977 here"
    name = "Never Mind the Bollocks Here's the Sex Pistols"
    spans = [
        Span(start=text.index(piece), end=text.index(piece) + len(piece), category=category)
        for piece, category in ((name, "WORK_OF_ART"), ("Sex Pistols", "ORG"), ("1977", "DATE"))
    ]
    assert [text[span.start : span.end] for span in resolve(text, spans)] == ["1977"]


def test_a_name_in_another_script_is_none_in_english():
    assert kept("He said שלום to them all.", "שלום", "PERSON") == []
    assert kept("He met Dvořák there.", "Dvořák", "PERSON") == ["Dvořák"]
