"""Code in prose, and technical prose, in which headings and buttons are no organisations."""

import pytest

from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.code import code_places, is_technical
from masksearch.ramp.spans.extract import extract_spans, filled_passages, make_extractors
from masksearch.types import Passage

MANUAL = (
    "Boolean Save the file with --output FILE. Description Verify that the option is set in the config file "
    "before the server returns an error. The checkpoints are written by Anna Kournikova's tokenizer in Paris "
    "once the preallocation of the ringbuffer has finished and the command exits."
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Use `masksearch run demo` here.", ["`masksearch run demo`"]),
        ("```python x = 1``` then", ["```python x = 1```"]),
        ("Give --help or -o FILE to it.", ["--help", "-o FILE"]),
        ("Set max_words=60 and camelCase there.", ["max_words=60", "camelCase"]),
        ("See docs/corpus.md and ~/models/x now.", ["docs/corpus.md", "~/models/x"]),
        ("Call index.load(path) first.", ["index.load(path)"]),
        ("{{ base_model }} and {% if x %}y", ["{{ base_model }}", "{% if x %}"]),
        ("He met J. R. Smith, i.e. Bob's friend and/or wife at 5 p.m. in D.C. then.", []),
        ("", []),
    ],
)
def test_code_places(text, code):
    assert [text[start:end].strip(".,;") for start, end in sorted(code_places(text))] == code


def test_technical_prose():
    assert is_technical(MANUAL)
    assert not is_technical("He was born in Paris in 1912 and wrote a file of letters to his users.")


def test_headings_of_a_manual_are_no_organisations():
    pytest.importorskip("spacy")
    pytest.importorskip("wordfreq")
    extractors = make_extractors(MaskSettings())
    (spans,) = extract_spans([Passage(id="p", doc_id="p", title="T", text=MANUAL)], extractors)
    pieces = {MANUAL[span.start : span.end]: span.category for span in spans}
    assert not any("Boolean" in piece or "Verify" in piece or "Save" in piece for piece in pieces)
    assert {"preallocation", "ringbuffer"} <= pieces.keys()  # terms fill up
    assert filled_passages(extractors) == 1


def test_terms_fill_up_only_where_names_are_few():
    pytest.importorskip("spacy")
    pytest.importorskip("wordfreq")
    texts = {
        "names": "Anna Kournikova met Barack Obama in Paris, and both spoke of cytoplasm.",
        "none": "Plants live by photosynthesis, and their cells hold DNA in the cytoplasm as well.",
    }

    def categories(name, **settings):
        extractors = make_extractors(MaskSettings(**settings))
        (spans,) = extract_spans([Passage(id="p", doc_id="p", title="T", text=texts[name])], extractors)
        return {span.category for span in spans}

    assert "TERM" not in categories("names")
    assert "TERM" in categories("none")
    assert "TERM" not in categories("none", terms_where_few=0)
    assert "TERM" in categories("names", terms_where_few=9)
