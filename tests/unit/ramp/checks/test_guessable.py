"""The check `not-guessable`: parsing of answers, guessing by a checkpoint and by an endpoint."""

import json

import pytest
from kit.endpoint import Answer, Endpoint, say

from masksearch.errors import ModelError, UsageError
from masksearch.ramp.checks.guessable import (
    CheckpointGuesser,
    EndpointGuesser,
    answer_places,
    hits,
    make_guesser,
)
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.masking.strategies import load_likelihood
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Failure
from masksearch.types import MASK, MaskedTask

pytestmark = pytest.mark.slow

KNOWN = "Marie Curie discovered radium in Paris in 1898."


def task_of(original, *answers, title="", name="t", language=""):
    text = original
    for answer in answers:
        text = text.replace(answer, MASK, 1)
    return MaskedTask(
        id=name,
        doc_id="d",
        title=title,
        text=text,
        answers=answers,
        masks=len(answers),
        original=original,
        language=language,
    )


TWO = task_of(KNOWN, "Paris", "1898", title="Radium")
HAMLET = task_of(
    "Hamlet is a tragedy by William Shakespeare, written about the year 1600 in London.",
    "William Shakespeare",
    "1600",
    title="Hamlet",
    name="u",
)


# -- parsing of answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1. William Shakespeare\n2. 1600", [True, True]),
        ("1. It was William Shakespeare.\n2. 1601", [True, False]),
        ("1. 1600\n2. William Shakespeare", [False, False]),
        ("2. 1600", [False, True]),
        ("I think that William Shakespeare wrote it in 1599.", [True, False]),
        ("1600! And it was william shakespeare", [True, True]),
        ("Hamlet is a tragedy by William Shakespeare, written about the year 1600 in London.", [True, True]),
        ("Hamlet is a tragedy by Marlowe, written about the year 1600 in London.", [False, True]),
        ("Hamlet is a tragedy by [mask], written about the year [mask] in London.", [False, False]),
        ("Shakespeare, William, in 16001600", [False, False]),
        ("", [False, False]),
        ("[mask] [mask]", [False, False]),
    ],
)
def test_an_answer_is_read_in_any_form(answer, expected):
    assert hits(answer, HAMLET) == expected


def test_what_an_echo_repeats_of_the_shown_text_is_no_guess():
    """Without the rule `unique` the shown text may contain an answer."""
    original = "Rome is the capital of Italy, and Rome was the seat of its kings for a long time."
    task = MaskedTask(
        id="t",
        doc_id="d",
        title="",
        text=original.replace("Rome", MASK, 1),
        answers=("Rome",),
        masks=1,
        original=original,
    )
    assert hits(original.replace("Rome", "Milan", 1), task) == [False]
    assert hits(original, task) == hits("Rome", task) == [True]


def test_the_languages_have_their_own_words():
    chinese = task_of("中华人民共和国的首都是北京，人口众多。", "北京", language="zh")
    assert hits("答案是北京。", chinese) == [True]
    assert hits("答案是南京。", chinese) == [False]
    french = task_of("Berlin est la capitale de l'Allemagne.", "Allemagne", language="fr")
    assert hits("C'est l'Allemagne.", french) == [True]


def test_places_are_those_of_the_answers():
    for task in (TWO, HAMLET, task_of("Paris", "Paris"), task_of("a Paris-Paris b", "Paris", "Paris")):
        assert tuple(task.original[start:end] for start, end in answer_places(task)) == task.answers
        assert len(set(answer_places(task))) == task.masks


# -- a checkpoint ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def knowing(tmp_path_factory):
    """A checkpoint of a tiny model trained to repeat one sentence."""
    import torch
    from kit.tiny import make_tiny_model, make_tiny_tokenizer

    tokenizer = make_tiny_tokenizer([KNOWN])
    model = make_tiny_model(tokenizer, spread=0.05)
    ids = torch.tensor(
        [[tokenizer.eos_token_id, *tokenizer(f"Radium: {KNOWN}", add_special_tokens=False)["input_ids"]]]
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("knowing")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_checkpoint_guesses_what_it_knows_by_heart(knowing):
    guesser = make_guesser(MaskSettings(guess_model=knowing, guess_attempts=3))
    assert guesser.check([]) == []
    known, unknown = guesser.check([TWO, HAMLET])
    assert known == Verdict(False, {"attempts": 3, "guessed": [3, 3]}, "guessable")
    assert unknown == Verdict(True, {"attempts": 3, "guessed": [0, 0]})


def test_one_mask_that_is_guessed_drops_the_task(knowing):
    (verdict,) = CheckpointGuesser(knowing, attempts=1, seed=1).check(
        [task_of("Marie Curie discovered radium in Paris in 1911.", "Paris", "1911", title="Radium")]
    )
    assert verdict == Verdict(False, {"attempts": 1, "guessed": [1, 0]}, "guessable")


def test_verdicts_depend_on_neither_order_nor_batch(tiny_checkpoint):
    tasks = [
        task_of(KNOWN, *answers, name=f"t{number}")
        for number, answers in enumerate([("i",), ("u", "P"), ("in", "9"), ("a",), ("e",)])
    ]
    whole = CheckpointGuesser(str(tiny_checkpoint), attempts=500, seed=1, batch=4).check(tasks)
    assert (
        whole
        == CheckpointGuesser(str(tiny_checkpoint), attempts=500, seed=1, batch=4).check(tasks[::-1])[::-1]
    )
    assert whole == [
        CheckpointGuesser(str(tiny_checkpoint), attempts=500, seed=1, batch=1).check([task])[0]
        for task in tasks
    ]
    assert whole != CheckpointGuesser(str(tiny_checkpoint), attempts=500, seed=2, batch=4).check(tasks)


def test_sampled_attempts_succeed_as_often_as_sampling_writes_the_answer(
    tiny_checkpoint, tiny_model, tiny_tokenizer
):
    """Compares with next-token probabilities at the same temperature, for likely one-token answers."""
    import torch

    start = "Ada was born in"
    ids = tiny_tokenizer(start, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = (
            tiny_model(input_ids=torch.tensor([[tiny_tokenizer.eos_token_id, *ids]])).logits[0, -1].double()
        )
    chances = torch.softmax(logits / 0.7, dim=-1)
    likeliest = chances.argsort(descending=True)[1:].tolist()  # without the greedy token
    single = [
        token
        for token in likeliest
        if tiny_tokenizer(start + tiny_tokenizer.decode([token]), add_special_tokens=False)["input_ids"]
        == [*ids, token]
    ]
    assert chances[single[0]] > 0.01
    for token in single[:3]:
        answer, chance = tiny_tokenizer.decode([token]), float(chances[token])
        tasks = [
            MaskedTask(
                id=f"{n}",
                doc_id="d",
                title="",
                text=start + MASK,
                answers=(answer,),
                masks=1,
                original=start + answer,
            )
            for n in range(40)
        ]
        verdicts = CheckpointGuesser(str(tiny_checkpoint), attempts=101, seed=3, batch=40).check(tasks)
        successes = sum(verdict.data["guessed"][0] for verdict in verdicts)
        assert abs(successes - 4000 * chance) < 4 * (4000 * chance) ** 0.5 + 1


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="There is no model"):
        CheckpointGuesser(str(tmp_path / "none"), 1, 1).check([TWO])


def test_strategy_and_check_share_a_model(knowing):
    CheckpointGuesser(knowing, 1, 1, batch=5).check([TWO])
    before = load_likelihood.cache_info().misses
    CheckpointGuesser(knowing, 2, 9, batch=5).check([HAMLET])
    load_likelihood(knowing, 5)
    assert load_likelihood.cache_info().misses == before


# -- an endpoint -------------------------------------------------------------------------------------------


def endpoint(answer):
    """Starts an endpoint that replies with the text `answer(body)`, or fails with that status."""

    def reply(body, number):
        text = answer(body)
        return Answer({}, text, {"retry-after-ms": "1"}) if isinstance(text, int) else say(text)

    return Endpoint(reply)


def guesser_at(server, **settings):
    pytest.importorskip("openai")
    return make_guesser(MaskSettings(guess_model="openai:m", llm=server.url, **settings))


def test_an_endpoint_is_asked_without_the_answers_and_without_a_search():
    with endpoint(
        lambda body: "<answer>1. Lyon\n2. 1898</answer>" if "radium" in str(body) else "No idea."
    ) as server:
        guesser = guesser_at(server, guess_attempts=3)
        for _ in range(2):  # the second check runs in another event loop
            known, unknown = guesser.check([TWO, HAMLET])
            assert known == Verdict(False, {"attempts": 3, "guessed": [0, 3]}, "guessable")
            assert unknown == Verdict(True, {"attempts": 3, "guessed": [0, 0]})
        assert guesser.check([]) == []
    assert len(server.bodies) == 12
    for body in server.bodies:
        prompt = json.dumps(body["messages"])
        assert not any(answer in prompt for answer in (*TWO.answers, *HAMLET.answers))
        assert TWO.text in prompt or HAMLET.text in prompt
        assert body["model"] == "m"
    assert sorted(body["temperature"] for body in server.bodies[:6]) == [0.0, 0.0, 0.7, 0.7, 0.7, 0.7]


def test_seeds_belong_to_task_and_attempt():
    with endpoint(lambda body: "no") as server:
        guesser = guesser_at(server, guess_attempts=3, concurrency=1)
        guesser.check([TWO, HAMLET])
        guesser.check([HAMLET])
    seeds = [body["seed"] for body in server.bodies]
    assert seeds[3:6] == seeds[6:]
    assert len(set(seeds[:6])) == 6


def test_only_a_later_attempt_may_succeed():
    replies = iter(["no", "no", "1. Paris"])
    with endpoint(lambda body: next(replies)) as server:
        assert guesser_at(server, guess_attempts=3).check([TWO]) == [
            Verdict(False, {"attempts": 3, "guessed": [1, 0]}, "guessable")
        ]


def test_a_request_that_fails_is_made_again():
    replies = iter([500, 429, "no", "no"])
    with endpoint(lambda body: next(replies)) as server:
        assert guesser_at(server, guess_attempts=2).check([TWO]) == [
            Verdict(True, {"attempts": 2, "guessed": [0, 0]})
        ]


def test_what_the_endpoint_cannot_answer_is_a_failure_of_that_task_alone():
    with endpoint(lambda body: 400 if "radium" in str(body) else "no") as server:
        failed, passed = guesser_at(server, guess_attempts=2).check([TWO, HAMLET])
    assert isinstance(failed, Failure)
    assert "answered 400" in failed.reason
    assert passed.passed
    assert sum("radium" in str(body) for body in server.bodies) == 1  # no further attempts


def test_an_endpoint_that_is_down_is_a_failure_for_every_task():
    with endpoint(lambda body: "no") as server:
        url = server.url
    verdicts = EndpointGuesser("m", url, attempts=3, seed=1, retries=0).check([TWO, HAMLET])
    assert [type(verdict) for verdict in verdicts] == [Failure, Failure]
    assert "cannot be reached" in verdicts[0].reason


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "--guess-model"),
        ({"guess_model": "openai:m"}, "--llm"),
        ({"guess_model": "openai:", "llm": "http://127.0.0.1:1/v1"}, "openai:NAME"),
        ({"guess_model": "openai:m", "llm": "127.0.0.1"}, "base URL"),
    ],
)
def test_what_is_missing_is_named(settings, message):
    with pytest.raises(UsageError, match=message):
        make_guesser(MaskSettings(**settings))
