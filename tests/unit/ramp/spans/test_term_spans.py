"""Specific terms from word frequencies, without a model."""

import sys

import pytest

from masksearch.errors import MissingExtraError
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import extract_spans, extractor, make_extractors
from masksearch.types import Passage

pytest.importorskip("wordfreq")


def passage(text, language="en"):
    return Passage(id="p", doc_id="d", title="T", text=text, language=language)


def found(text, language="en"):
    (spans,) = extract_spans(
        [passage(text, language)], make_extractors(MaskSettings(extractors=("terms",), language=language))
    )
    assert {span.category for span in spans} <= {"TERM"}
    return [text[span.start : span.end] for span in spans]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        (
            "Plants live by photosynthesis, and their cells hold mitochondrial DNA in the cytoplasm.",
            ["photosynthesis", "mitochondrial DNA", "cytoplasm"],
        ),
        ("The first movement is in sonata form, as in every large symphony of the time.", ["sonata form"]),
        (
            "In mathematics, a tensor is a multilinear relationship between vectors.",
            ["tensor", "multilinear relationship"],
        ),
        ("It was the brainchild of a large group of people who often met in the town.", ["brainchild"]),
        ("The enzyme catalyzes the step, and he photosynthesizes slowly.", []),  # verbs, adverbs
        ("It had a fruitful association with a lengthy and enigmatic life.", []),  # judgements
        ("The Fahrenheit Institute of Astrophysics and Daniel Bernoulli met.", []),  # names
        ("In the broadest sense it is so.", []),
        ("They can metabolize it by camouflaging themselves, to photosynthesize.", []),
        ("", []),
    ],
)
def test_english(text, terms):
    assert found(text) == terms


@pytest.mark.parametrize(
    ("language", "text", "terms"),
    [
        (
            "es",
            "Las plantas viven de la fotosíntesis y la clorofila da color a las hojas.",
            ["fotosíntesis", "clorofila"],
        ),
        ("es", "El lago es un lago endorreico que absorbe las aguas de la región.", ["lago endorreico"]),
        ("es", "Se lo metaboliza lentamente para poder metabolizar la comida de los españoles.", []),
        (
            "fr",
            "L'hémoglobine est un pigment présent dans le sang ; on l'étudie en paléontologie.",
            ["hémoglobine", "pigment", "paléontologie"],
        ),
        (
            "fr",
            "Les ondes électromagnétiques et la photosynthèse sont des phénomènes.",
            ["ondes électromagnétiques", "photosynthèse"],
        ),
        ("fr", "Il la métabolise pour métaboliser la nourriture de la maison.", []),
    ],
)
def test_spanish_and_french(language, text, terms):
    assert found(text, language) == terms


@pytest.mark.slow
def test_chinese():
    pytest.importorskip("jieba")
    text = "光合作用是植物利用叶绿素将二氧化碳和水转化为葡萄糖的过程，政府与人民在北京。"
    assert found(text, "zh") == ["光合作用", "叶绿素", "二氧化碳", "葡萄糖"]


def test_a_passage_stands_for_itself():
    """The spans of a passage are the same alone, in a batch, and in another order."""
    texts = [
        "Plants live by photosynthesis.",
        "The movement is in sonata form.",
        "",
        "Las plantas viven de la fotosíntesis.",
    ]
    passages = [passage(text, "es" if text.startswith("Las") else "en") for text in texts]
    extract = extractor("terms", MaskSettings())
    together = list(extract(passages))
    assert together == [next(iter(extract([each]))) for each in passages]
    assert list(reversed(together)) == list(extract(passages[::-1]))
    assert [len(row) for row in together] == [1, 1, 0, 1]


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(
        MissingExtraError, match=r"'wordfreq'; install it with: pip install 'masksearch\[terms\]'"
    ):
        extractor("terms", MaskSettings())
