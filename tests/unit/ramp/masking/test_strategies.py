"""Masking strategies: their preferences, and errors for missing settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch.errors import ModelError, UsageError
from masksearch.ramp.masking.draw import ALIKE, Preference
from masksearch.ramp.masking.strategies import check_weights, load_likelihood, make_strategy, titled
from masksearch.ramp.settings import MaskSettings
from masksearch.types import Passage, Span

TEXT = "Marie Curie discovered radium in Paris in 1898."
PASSAGE = Passage(id="p", doc_id="d", title="Radium", text=TEXT)


def spans_of(text, **pieces):
    return [
        Span(start=text.index(piece), end=text.index(piece) + len(piece), category=category)
        for category, piece in pieces.items()
    ]


SPANS = spans_of(TEXT, PERSON="Marie Curie", GPE="Paris", DATE="1898")


def test_uniform_prefers_nothing():
    strategy = make_strategy(MaskSettings())
    assert strategy.name == "uniform"
    assert strategy.prefer([(PASSAGE, SPANS), (PASSAGE, [])]) == [ALIKE, ALIKE]


def test_weighted_goes_by_category_whatever_its_case():
    strategy = make_strategy(MaskSettings(strategy="weighted", category_weights={"person": 3, "DATE": 0}))
    assert strategy.name == "weighted"
    assert strategy.prefer([(PASSAGE, SPANS), (PASSAGE, [])]) == [Preference((3.0, 1.0, 0.0)), Preference(())]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "needs weights"),
        ({"DATE": -1.0}, "of the category 'DATE'"),
        ({"DATE": float("nan")}, "is nan"),
        ({"DATE": float("inf")}, "is inf"),
    ],
)
def test_weights_that_make_no_sense_are_named(weights, message):
    with pytest.raises(UsageError, match=message):
        check_weights(weights)


def test_ppl_needs_a_model_that_is_there(tmp_path):
    with pytest.raises(UsageError, match="--ppl-model"):
        make_strategy(MaskSettings(strategy="ppl"))
    settings = MaskSettings(strategy="ppl", ppl_model=str(tmp_path / "none"))
    missing = make_strategy(settings)  # does not load the model yet
    assert missing.prefer([(PASSAGE, [])]) == [ALIKE]
    with pytest.raises(ModelError, match="There is no model"):
        missing.prefer([(PASSAGE, SPANS)])


@pytest.fixture
def hardest(tiny_checkpoint):
    return make_strategy(MaskSettings(strategy="ppl", ppl_model=str(tiny_checkpoint), ppl_batch=3))


def test_ppl_ranks_by_the_mean_loss_behind_the_title(hardest, tiny_model, tiny_tokenizer):
    import torch

    (preference,) = hardest.prefer([(PASSAGE, SPANS)])
    assert (hardest.name, preference.ranked) == ("ppl", True)
    text = f"Radium: {TEXT}"
    coded = tiny_tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = torch.tensor([[tiny_tokenizer.eos_token_id, *coded["input_ids"]]])
    losses = torch.nn.functional.cross_entropy(
        tiny_model(input_ids=ids).logits[0, :-1], ids[0, 1:], reduction="none"
    ).tolist()
    for span, weight in zip(SPANS, preference.weights, strict=True):
        start, end = span.start + len("Radium: "), span.end + len("Radium: ")
        inside = [
            loss
            for (first, last), loss in zip(coded["offset_mapping"], losses, strict=True)
            if first < end and start < last
        ]
        assert weight == pytest.approx(sum(inside) / len(inside), abs=1e-4)


def test_ppl_of_a_passage_does_not_depend_on_its_neighbours(hardest):
    long = Passage(
        id="q",
        doc_id="d",
        title="Ada",
        text=f"{TEXT} Ada Lovelace was born in London in 1815 and wrote the first program.",
    )
    items = [
        (PASSAGE, SPANS),
        (long, spans_of(long.text, PERSON="Ada Lovelace", GPE="London")),
        (PASSAGE, []),
        (PASSAGE, SPANS[:1]),
    ]
    together = hardest.prefer(items)
    for item, preference in zip(items, together, strict=True):
        (alone,) = hardest.prefer([item])
        assert preference.weights == pytest.approx(alone.weights, abs=1e-5)
    assert [len(preference.weights) for preference in together] == [3, 2, 0, 1]


def test_a_model_is_loaded_once_in_a_process(hardest, tiny_checkpoint):
    assert hardest.likelihood is hardest.likelihood is load_likelihood(str(tiny_checkpoint), 3)


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_title_stands_in_front_once(title, text):
    whole, shift = titled(title, text)
    assert whole[shift:] == text
    assert whole.startswith(title)
    assert shift in (0, len(title) + 2)
