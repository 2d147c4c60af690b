"""Likelihoods of stretches, against a loop that runs a forward pass for every token of every text."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kit.tiny import make_tiny_model, make_tiny_tokenizer

from masksearch.errors import ModelError
from masksearch.llm.likelihood import Likelihood, cut

TEXTS = [
    "Marie Curie discovered radium in Paris in 1898.",
    "São Paulo (the city) was founded in 1554; the tower is 12.5 metres high, "
    "say 《北京》 and <|im_end|> others.",
    "Ada",
]


@pytest.fixture
def likelihood(tiny_model, tiny_tokenizer):
    return Likelihood(tiny_model, tiny_tokenizer, "tiny", batch=2)


def places(text, *pieces):
    return [(text.index(piece), text.index(piece) + len(piece)) for piece in pieces]


STRETCHES = [
    places(TEXTS[0], "Marie Curie", "radium", "Paris", "1898"),
    places(TEXTS[1], "São Paulo", "1554", "12.5 metres", "京", "<|im_end|>"),
    places(TEXTS[2], "Ada"),
]


def one_by_one(likelihood, text):
    """Yields (first byte, byte after the last, token, logits before it) of each token, by one forward
    pass each.

    The tokenizer works on bytes, so positions count bytes.
    """
    tokenizer, context, place = likelihood.tokenizer, [likelihood.tokenizer.eos_token_id], 0
    for token in tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]:
        end = place + len(tokenizer.convert_ids_to_tokens(token))
        with torch.no_grad():
            yield (
                place,
                end,
                token,
                likelihood.model(input_ids=torch.tensor([context])).logits[0, -1].double(),
            )
        context.append(token)
        place = end


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_each_stretch_is_read_as_token_by_token(likelihood, number):
    text, stretches = TEXTS[number], STRETCHES[number]
    tokens = list(one_by_one(likelihood, text))
    for temperature in (1.0, 0.7):
        found = likelihood.read(TEXTS, STRETCHES, temperature)[number]
        for stretch, reading in zip(stretches, found, strict=True):
            start, end = (len(text[:edge].encode()) for edge in stretch)
            inside = [
                (token, logits) for first, last, token, logits in tokens if first < end and start < last
            ]
            losses = [-torch.log_softmax(logits, dim=-1)[token].item() for token, logits in inside]
            sampled = [
                torch.log_softmax(logits / temperature, dim=-1)[token].item() for token, logits in inside
            ]
            assert reading.loss == pytest.approx(sum(losses) / len(losses), abs=1e-4)
            assert reading.greedy == all(logits.argmax().item() == token for token, logits in inside)
            assert reading.probability == pytest.approx(math.exp(sum(sampled)), rel=1e-3)


def test_a_stretch_is_not_off_by_one(likelihood):
    """The text after a stretch has no effect; the character before it and the stretch itself have one."""
    (reading,) = likelihood.read(["It was Paris in 1898."], [[(7, 12)]])[0]
    (after,) = likelihood.read(["It was Paris at noon!"], [[(7, 12)]])[0]
    (before,) = likelihood.read(["It was: Paris in 1898."], [[(8, 13)]])[0]
    (other,) = likelihood.read(["It was Parma in 1898."], [[(7, 12)]])[0]
    assert after.loss == pytest.approx(reading.loss, abs=1e-5)
    assert abs(before.loss - reading.loss) > 1e-3
    assert abs(other.loss - reading.loss) > 1e-3


def test_a_text_does_not_depend_on_its_batch(likelihood, tiny_model, tiny_tokenizer):
    alone = [
        likelihood.read([text], [stretches])[0] for text, stretches in zip(TEXTS, STRETCHES, strict=True)
    ]
    for batch in (1, 2, 3, 8):
        batched = Likelihood(tiny_model, tiny_tokenizer, "tiny", batch)
        together = batched.read(TEXTS[::-1], STRETCHES[::-1])[::-1]
        for one, other in zip(alone, together, strict=True):
            assert [reading.loss for reading in other] == pytest.approx(
                [reading.loss for reading in one], abs=1e-5
            )
            assert [reading.greedy for reading in other] == [reading.greedy for reading in one]


def test_greedy_is_what_the_model_writes(likelihood, tiny_model):
    """The model's own greedy continuation is greedy, and at a low temperature its probability is near 1."""
    tokenizer, compared = likelihood.tokenizer, 0
    for end in range(5, len(TEXTS[0])):
        text = TEXTS[0][:end]
        ids = [tokenizer.eos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        with torch.no_grad():
            written = tiny_model(input_ids=torch.tensor([ids])).logits[0, -1].argmax().item()
        whole = text + tokenizer.decode([written])
        again = tokenizer(whole, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if again != [*ids[1:], written]:
            continue  # an incomplete character, or a text that is tokenised differently when read
        (reading,) = likelihood.read([whole], [[(len(text), len(whole))]], temperature=0.001)[0]
        assert reading.greedy
        assert reading.probability > 0.9
        compared += 1
    assert compared


def test_long_texts_are_read_in_windows(likelihood, tiny_model, tiny_tokenizer):
    text = "Marie Curie discovered radium in Paris in 1898. " * 12
    stretches = [(start, start + 5) for start in range(0, len(text) - 5, 7)]
    size = len(tiny_tokenizer(text, add_special_tokens=False)["input_ids"]) + 1
    whole = Likelihood(tiny_model, tiny_tokenizer, "tiny", window=size).read([text], [stretches])[0]
    cut_up = Likelihood(tiny_model, tiny_tokenizer, "tiny", window=32).read([text], [stretches])[0]
    assert size > 3 * 32
    assert len(cut_up) == len(stretches)
    # The first window sees the same tokens as the whole text; later windows see fewer, but at least half
    # a window.
    assert [reading.loss for reading in cut_up[:8]] == pytest.approx(
        [reading.loss for reading in whole[:8]], abs=1e-4
    )
    assert any(
        abs(one.loss - other.loss) > 1e-4 for one, other in zip(whole[-20:], cut_up[-20:], strict=True)
    )


@given(st.integers(1, 60), st.integers(2, 20), st.data())
def test_windows_read_each_token_once_with_half_a_window_before_it(length, window, data):
    wanted = sorted(data.draw(st.sets(st.integers(0, length - 1))))
    windows = cut(3, range(100, 100 + length), wanted, window)
    read = [one.first + place for one in windows for place in one.wanted]
    assert sorted(read) == [place for place in wanted if place > 0]
    for one in windows:
        assert one.text == 3
        assert len(one.ids) <= window
        assert one.ids == tuple(range(100 + one.first, 100 + one.first + len(one.ids)))
        assert all(place >= min(one.first + place, window // 2) for place in one.wanted)


def test_nothing_to_read(likelihood):
    assert likelihood.read([], []) == []
    assert likelihood.read(["Paris", ""], [[], []]) == [[], []]
    (reading,) = likelihood.read(["Paris"], [[(7, 9)]])[0]
    assert (reading.loss, reading.greedy, reading.probability) == (0.0, False, 0.0)


def test_without_a_beginning_of_text_token_the_first_token_is_left_out(
    tiny_model, tiny_tokenizer, likelihood
):
    bare = Likelihood(tiny_model, tiny_tokenizer, "tiny")
    bare.start = ()
    text = TEXTS[0]
    encoded = tiny_tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    first_end = encoded["offset_mapping"][0][1]
    (reading,) = bare.read([text], [[(0, first_end)]])[0]
    assert (reading.loss, reading.greedy) == (0.0, False)
    (later,) = bare.read([text], [[(len(text) - 3, len(text))]])[0]
    assert later.loss > 0


def test_damaged_weights_are_an_error(tiny_tokenizer):
    model = make_tiny_model(tiny_tokenizer)
    with torch.no_grad():
        model.get_output_embeddings().weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="gives no probability"):
        Likelihood(model, tiny_tokenizer, "damaged").read(["Paris"], [[(0, 5)]])


def test_a_tokenizer_without_offsets_is_an_error(tiny_model):
    class Slow:
        is_fast = False

    with pytest.raises(ModelError, match="fast tokenizer"):
        Likelihood(tiny_model, Slow(), "slow")


def test_special_tokens_in_a_text_are_plain_text(likelihood):
    ids, offsets = likelihood._encode(TEXTS[1])
    assert not set(ids[1:]) & set(likelihood.tokenizer.all_special_ids)
    assert offsets[-1][1] == len(TEXTS[1])
    assert make_tiny_tokenizer().is_fast
