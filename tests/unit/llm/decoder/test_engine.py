"""The decoding engine against plain forward passes of the same model, in float32."""

import asyncio
import math
import random
from collections import Counter

import pytest
import torch
from kit.waiting import LONG

from masksearch.llm.decoder.engine import Engine, common_prefix, longest_prefix, sample
from masksearch.llm.decoder.graphs import RecordedPasses, graphs_wanted

PROMPTS = [
    [5, 6, 7],
    [9, 8, 7, 6, 5, 4, 3, 11, 12],
    [20],
    [40, 41, 42, 43, 44],
    [7, 7, 7, 7],
    [100, 3],
    [30, 31, 32, 33, 34, 35, 36],
]
TURNS = [(4, [50, 51, 52]), (6, [60]), (3, [])]
"""Per turn: the number of tokens to generate, then the tokens that a tool appends."""


def plain(model, ids):
    """Returns the log-probabilities (tokens, vocabulary) of a forward pass without a cache."""
    with torch.no_grad():
        return torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].float(), dim=-1)


def greedy_reference(model, prompt, turns):
    ids, written = list(prompt), []
    for count, appended in turns:
        for _ in range(count):
            logp = plain(model, ids)[-1]
            token = int(logp.argmax())
            written.append((token, float(logp[token])))
            ids.append(token)
        ids += appended
    return written


async def converse(engine, prompt, turns=TURNS, temperature=0.0, seed=0, pause=0.0):
    stream = await engine.admit(temperature, seed)
    stream.pending = list(prompt)
    written = []
    try:
        for count, appended in turns:
            ids, logprobs = await engine.generate(stream, count, lambda token: False)
            written += zip(ids, logprobs, strict=True)
            stream.pending += appended
            await asyncio.sleep(pause)
    finally:
        engine.release(stream)
    return written


def together(engine, prompts, **given):
    async def run():
        return await asyncio.gather(*(converse(engine, prompt, **given) for prompt in prompts))

    return asyncio.run(run())


def assert_close(written, reference):
    assert [token for token, _ in written] == [token for token, _ in reference]
    assert [logprob for _, logprob in written] == pytest.approx(
        [logprob for _, logprob in reference], abs=1e-4
    )


@pytest.fixture
def reference_model(tiny_checkpoint):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        str(tiny_checkpoint), dtype=torch.float32, attn_implementation="eager"
    ).eval()


@pytest.mark.parametrize("slots", [1, 3, 16])
def test_greedy_equals_a_plain_forward_pass(tiny_model, reference_model, slots):
    written = together(Engine(tiny_model, slots, 256), PROMPTS)
    for prompt, found in zip(PROMPTS, written, strict=True):
        assert_close(found, greedy_reference(reference_model, prompt, TURNS))


def test_sequences_that_end_at_different_times_move_without_harm(tiny_model, reference_model):
    """Moves slots when the first sessions end, runs passes over slots that wait for tools, and grows the
    cache."""
    engine = Engine(tiny_model, 8, 8)
    plans = [
        [(1, [])],
        [(12, [70, 71]), (5, [])],
        [(2, [1, 2, 3]), (9, [])],
        [(1, [])],
        [(7, []), (7, [])],
        [(3, [9] * 20), (12, [])],
    ]
    moves = []
    copy = engine.cache.copy
    engine.cache.copy = lambda *args: moves.append(args) or copy(*args)

    async def run():
        jobs = [
            converse(engine, prompt, turns, pause=0.002 * (place % 3))
            for place, (prompt, turns) in enumerate(zip(PROMPTS, plans, strict=False))
        ]
        return await asyncio.gather(*jobs)

    for prompt, turns, found in zip(PROMPTS, plans, asyncio.run(run()), strict=False):
        assert_close(found, greedy_reference(reference_model, prompt, turns))
    assert moves
    assert not engine.running
    assert not engine.requests


def test_the_cache_grows_beyond_its_first_length(tiny_model, reference_model):
    engine = Engine(tiny_model, 2, 8)
    assert engine.cache.length == 8
    turns = [(6, [60] * 30), (5, [])]
    for prompt, found in zip(PROMPTS[:3], together(engine, PROMPTS[:3], turns=turns), strict=True):
        assert_close(found, greedy_reference(reference_model, prompt, turns))
    assert engine.cache.length >= 40


def test_long_prefills_are_split(tiny_model, reference_model, monkeypatch):
    monkeypatch.setattr("masksearch.llm.decoder.engine.PREFILL_TOKENS", 10)
    for prompt, found in zip(PROMPTS, together(Engine(tiny_model, 8, 64), PROMPTS), strict=True):
        assert_close(found, greedy_reference(reference_model, prompt, TURNS))


def prompts_that_begin_alike():
    """Returns two groups of three equal prompts and one more, all after one instruction of 20 tokens."""
    instruction = [100 + place for place in range(20)]
    texts = [[5, 6, 7] * 8, [9, 8] * 11, [33, 34, 35]]
    return [instruction + texts[place] for place in (0, 0, 0, 1, 1, 1, 2)]


@pytest.mark.parametrize("slots", [2, 16])
def test_a_common_beginning_is_run_once_and_changes_nothing(tiny_model, reference_model, slots):
    engine = Engine(tiny_model, slots, 256)
    ran, forward = [], engine._forward
    engine._forward = lambda tokens, *rest: ran.append(tokens.numel()) or forward(tokens, *rest)
    prompts = prompts_that_begin_alike()
    written = together(engine, prompts, turns=[(1, [])])
    for prompt, found in zip(prompts, written, strict=True):
        assert_close(found, greedy_reference(reference_model, prompt, [(1, [])]))
    if slots == 16:
        # In order of size: the two copies of the second prompt (one token each); the first prompt whole;
        # the two copies of the first prompt and the other two texts after the instruction, padded to 22
        # tokens.
        assert sorted(ran) == [2, 44, 4 * 22]
    assert sum(ran) < sum(map(len, prompts)) * 0.7


def test_a_beginning_comes_from_a_session_under_way(tiny_model, reference_model):
    """The donor's slot also holds generated tokens and tool text, and another session has ended and moved
    slots."""
    engine = Engine(tiny_model, 4, 256)
    first, second = prompts_that_begin_alike()[0], prompts_that_begin_alike()[3]

    async def run():
        early = [
            asyncio.create_task(converse(engine, prompt, TURNS, pause=0.01)) for prompt in ([7, 7], first)
        ]
        await asyncio.sleep(0.02)
        return await asyncio.gather(*early, converse(engine, second), converse(engine, first))

    for prompt, found in zip(([7, 7], first, second, first), asyncio.run(run()), strict=True):
        assert_close(found, greedy_reference(reference_model, prompt, TURNS))


def test_one_engine_serves_several_event_loops(tiny_model):
    engine = Engine(tiny_model, 4, 64)
    first = together(engine, PROMPTS)
    assert together(engine, PROMPTS) == first


def test_a_seed_fixes_a_sample_whatever_else_is_decoded(tiny_model):
    engine = Engine(tiny_model, 4, 128)

    def one(seed, others=0):
        async def run():
            jobs = [converse(engine, PROMPTS[0], temperature=1.0, seed=seed)]
            jobs += [
                converse(engine, PROMPTS[1 + place % 6], temperature=0.7, seed=100 + place)
                for place in range(others)
            ]
            return (await asyncio.gather(*jobs))[0]

        return asyncio.run(run())

    alone = one(1)
    for others in (3, 6):
        assert_close(one(1, others), alone)
    assert len({tuple(token for token, _ in one(seed)) for seed in range(2, 6)}) == 4


def test_sampled_logprobs_are_those_of_the_tempered_distribution(tiny_model, reference_model):
    written = together(Engine(tiny_model, 4, 64), PROMPTS[:2], temperature=0.5, seed=3, turns=[(6, [])])
    for prompt, found in zip(PROMPTS, written, strict=False):
        ids = list(prompt)
        for token, logprob in found:
            expected = torch.log_softmax(plain(reference_model, ids)[-1] / 0.5, dim=-1)[token]
            assert logprob == pytest.approx(float(expected), abs=1e-4)
            ids.append(token)


def test_accept_ends_a_stretch_with_its_token(tiny_model, reference_model):
    engine = Engine(tiny_model, 2, 64)
    wanted = [token for token, _ in greedy_reference(reference_model, PROMPTS[0], [(5, [])])]

    async def run():
        stream = await engine.admit(0.0, 0)
        stream.pending = list(PROMPTS[0])
        drawn = []
        ids, _ = await engine.generate(stream, 50, lambda token: drawn.append(token) or len(drawn) == 3)
        return ids

    assert asyncio.run(run()) == wanted[:3]


def test_an_error_in_the_forward_pass_reaches_every_session(tiny_model):
    engine = Engine(tiny_model, 2, 64)

    def broken(*args, **kwargs):
        raise RuntimeError("out of memory")

    async def run():
        jobs = [converse(engine, prompt) for prompt in PROMPTS]
        return await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), timeout=LONG)

    forward = engine._forward
    engine._forward = broken
    results = asyncio.run(run())
    assert all(isinstance(result, RuntimeError) for result in results)
    assert not engine.running
    engine._forward = forward
    assert all(isinstance(result, list) for result in asyncio.run(run()))


def test_a_session_that_is_cancelled_with_its_turn_passes_the_slot_on(tiny_model):
    async def scenario():
        engine = Engine(tiny_model, slots=1, max_length=64)
        first = await engine.admit(0.0, 0)
        second, third = (asyncio.ensure_future(engine.admit(0.0, 0)) for _ in range(2))
        await asyncio.sleep(0)
        engine.release(first)
        second.cancel()
        stream = await asyncio.wait_for(third, 60)
        assert second.cancelled()
        assert engine.running == {0: stream}

    asyncio.run(scenario())


def test_a_cancelled_session_gives_its_slot_back(tiny_model):
    engine = Engine(tiny_model, 1, 64)

    async def run():
        first = asyncio.create_task(converse(engine, PROMPTS[0], turns=[(50, [])]))
        waiting = [asyncio.create_task(converse(engine, prompt)) for prompt in PROMPTS[1:4]]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0.01)
        first.cancel()
        return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), timeout=LONG)

    results = asyncio.run(run())
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, list) for result in results[1:])
    assert not engine.running


class TestSample:
    LOGITS = torch.tensor([0.0, math.log(2), math.log(3), math.log(4)])

    def draws(self, temperature, count):
        # With `[rng] * n` all rows draw from one generator.
        logits = self.LOGITS.repeat(count, 1)
        return sample(logits, [temperature] * count, [random.Random(7)] * count)

    @pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
    def test_follows_the_distribution(self, temperature):
        count = 20_000
        tokens, logprobs = self.draws(temperature, count)
        weights = [float(weight) ** (1 / temperature) for weight in (1, 2, 3, 4)]
        expected = [weight / sum(weights) for weight in weights]
        found = Counter(tokens)
        chi_square = sum(
            (found[token] - count * share) ** 2 / (count * share) for token, share in enumerate(expected)
        )
        assert chi_square < 16.3  # p = 0.001 with three degrees of freedom; seeds are fixed
        for token, logprob in zip(tokens[:50], logprobs, strict=False):
            assert logprob == pytest.approx(math.log(expected[token]), abs=1e-5)

    def test_logprob_at_half_the_temperature(self):
        tokens, logprobs = self.draws(0.5, 50)
        place = tokens.index(3)
        assert logprobs[place] == pytest.approx(math.log(16 / 30), abs=1e-6)

    def test_greedy_takes_the_first_of_the_largest_with_the_logprob_of_temperature_one(self):
        tokens, logprobs = sample(torch.tensor([[1.0, 2.0, 2.0]]), [0.0], [random.Random(0)])
        assert tokens == [1]
        assert logprobs[0] == pytest.approx(math.log(math.exp(2) / (math.e + 2 * math.exp(2))), abs=1e-6)

    def test_rows_do_not_disturb_each_other(self):
        logits = torch.tensor([[0.0, 5.0, 1.0]] * 3)
        mixed = sample(logits, [0.0, 1.0, 0.5], [random.Random(seed) for seed in (1, 2, 3)])
        single = [
            sample(logits[:1], [temperature], [random.Random(seed)])
            for temperature, seed in ((0.0, 1), (1.0, 2), (0.5, 3))
        ]
        assert mixed[0] == [tokens[0] for tokens, _ in single]
        assert mixed[1] == pytest.approx([logprobs[0] for _, logprobs in single])

    def test_impossible_tokens_are_never_drawn(self):
        logits = torch.tensor([[float("-inf"), 0.0, float("-inf"), 0.0, float("-inf")]])
        for seed in range(200):
            tokens, logprobs = sample(logits, [1.0], [random.Random(seed)])
            assert tokens[0] in (1, 3)
            assert logprobs[0] == pytest.approx(math.log(0.5))


class TestOnAGpu:
    """The engine's behaviour on a GPU, tested on the CPU: a replay runs the pass again instead of a
    recording."""

    @staticmethod
    def engine(model, slots, length, record):
        engine = Engine(model, slots, length)
        engine.patience = 8
        engine.recorded = RecordedPasses(engine._hidden, slots, engine.device, record)
        return engine

    @pytest.mark.parametrize("slots", [1, 3, 16])
    @pytest.mark.slow
    def test_waiting_prefills_and_recorded_passes_change_nothing(self, tiny_model, reference_model, slots):
        recorded = []
        engine = self.engine(tiny_model, slots, 8, lambda work, pool: recorded.append(work) or work)
        turns = [(5, [50, 51, 52]), (6, [60] * 9), (7, [])]
        prompts = PROMPTS * 3
        for prompt, found in zip(prompts, together(engine, prompts, turns=turns), strict=True):
            assert_close(found, greedy_reference(reference_model, prompt, turns))
        assert recorded
        assert all(span <= engine.cache.length for _, span in engine.recorded.replays)

    def test_a_grown_cache_is_recorded_anew(self, tiny_model):
        recorded = []
        engine = self.engine(
            tiny_model, 2, 8, lambda work, pool: recorded.append(engine.cache.length) or work
        )
        together(engine, PROMPTS[:1], turns=[(40, [])])
        assert recorded == sorted(set(recorded))
        assert len(recorded) > 1

    def test_where_recording_fails_decoding_goes_on(self, tiny_model, reference_model, capsys):
        tried = []

        def record(work, pool):
            tried.append(work)
            raise RuntimeError("operation not permitted\nwhen capturing")

        engine = self.engine(tiny_model, 4, 64, record)
        for prompt, found in zip(PROMPTS, together(engine, PROMPTS), strict=True):
            assert_close(found, greedy_reference(reference_model, prompt, TURNS))
        assert len(tried) == 1
        assert (
            "Decoding continues without CUDA graphs, more slowly: operation not permitted"
            in capsys.readouterr().err
        )

    def test_a_prefill_waits_for_others_but_not_for_ever(self, tiny_model):
        engine = self.engine(tiny_model, 16, 64, lambda work, pool: work)
        passes = []
        prefill, decode = engine._prefill, engine._decode
        engine._prefill = lambda requests: passes.append(len(requests)) or prefill(requests)
        engine._decode = lambda requests: passes.append("decode") or decode(requests)

        async def run():
            long = [
                asyncio.create_task(converse(engine, prompt, [(30, [])])) for prompt in PROMPTS + PROMPTS[:5]
            ]
            while "decode" not in passes:
                await asyncio.sleep(0)
            return await asyncio.gather(*long, converse(engine, [1, 2, 3], [(2, [])]))

        asyncio.run(run())
        alone = passes.index(1)
        assert passes[alone - 8 : alone] == ["decode"] * 8

    def test_only_cuda_records_and_only_if_wanted(self, monkeypatch):
        assert not graphs_wanted(torch.device("cpu"))
        assert graphs_wanted(torch.device("cuda"))
        monkeypatch.setenv("MASKSEARCH_CUDA_GRAPHS", "0")
        assert not graphs_wanted(torch.device("cuda"))


def test_the_longest_beginning_is_found_as_by_counting():
    rng = random.Random(3)
    for _ in range(300):
        tokens, *others = [[rng.randrange(3) for _ in range(rng.randrange(9))] for _ in range(6)]
        lengths = [common_prefix(tokens, other) for other in others]
        best = max(range(len(others)), key=lengths.__getitem__)
        assert longest_prefix(tokens, others) == (best if lengths[best] else 0, lengths[best])
    assert longest_prefix([1], []) == (0, 0)
