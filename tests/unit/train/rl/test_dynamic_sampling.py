"""Dynamic sampling with fakes: batches are filled, silent groups carry no loss, lengths agree."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from kit.endpoint import Endpoint, fail, say, verdict
from kit.train_helpers import ShuffledTasks

from masksearch.agent.loop import Episode
from masksearch.errors import SearchError, TrainingError
from masksearch.llm.base import Generation, TokenRecord
from masksearch.scoring.rewards import Ledger, open_judge
from masksearch.train.rl.batch import credit_columns, fate, to_batch
from masksearch.train.rl.dynamic_sampling import Group, Rollout, collect_step
from masksearch.train.rl.metrics import ledger_figures, step_figures
from masksearch.train.settings import RlSettings
from masksearch.types import Question, Trajectory, Turn, Usage, task_json

TASKS = [Question(id=f"q{number}", question=f"Question {number}?", answers=("right",)) for number in range(7)]


def rl_settings(**given):
    base = {
        "model": "m",
        "tasks": "t",
        "index": "i",
        "prompts_per_step": 3,
        "group_size": 2,
        "max_refills": 2,
        "seed": 5,
        "reward": {"gated": False},
    }
    return RlSettings.model_validate({**base, **given})


class Searcher:
    fingerprint = "none"

    async def asearch(self, query, k):
        return []


class Answering:
    """A policy that is right where `right(question number, place in its group)` is true.

    The prompt ids of the record contain the number of the question.
    """

    name = "answering"

    def __init__(self, right):
        self.right, self.asked, self.samplings = right, [], []

    async def open(self, messages, sampling):
        number = int(messages[-1]["content"].split("Question ")[1].split("?")[0])
        place = sum(asked == number for asked in self.asked) % 2
        self.asked.append(number)
        self.samplings.append(sampling)
        return _Session(number, self.right(number, place))


class _Session:
    def __init__(self, number, right):
        self.right = right
        self.record = TokenRecord(prompt_ids=[1, number])

    async def generate(self, stop, max_tokens):
        await asyncio.sleep(0)
        self.record.ids += [7, 8, 9]
        self.record.mask += [1, 0, 1]
        self.record.logprobs += [-1.0 if self.right else -3.0, 0.0, -0.5]
        return Generation(f"<think>t</think><answer>{'right' if self.right else 'wrong'}</answer>", "stop", 2)

    def close(self):
        pass


class Touched:
    """A search that fails for the questions with some numbers."""

    fingerprint = "touched"

    def __init__(self, numbers):
        self.numbers = numbers

    async def asearch(self, query, k):
        if int(query) in self.numbers:
            raise SearchError("The network is gone.")
        return []


class Searching(Answering):
    """Searches for the number of the question before it answers."""

    async def open(self, messages, sampling):
        session = await super().open(messages, sampling)
        number, generate, turns = self.asked[-1], session.generate, []

        async def searching(stop, max_tokens):
            if turns:
                return await generate(stop, max_tokens)
            turns.append(1)
            return Generation(f"<think>t</think><search>{number}</search>", "stop", 2)

        async def append(text, hits=()):
            return 3

        session.generate, session.append = searching, append
        return session


def test_what_a_failed_search_touched_is_not_trained_on():
    stream = ShuffledTasks(TASKS, 1)
    touched = int(stream[0].id[1:])
    batch, put_back = collect_step(
        stream, Searching(lambda number, place: place == 0), Touched({touched}), rl_settings(), step=0
    )
    assert all(group.trained for group in batch)
    assert [int(group.rollouts[0].episode.trajectory.id[1:]) for group in put_back] == [touched]
    assert step_figures(batch, put_back, rl_settings())["failed_searches"] == pytest.approx(0.25)
    settings = rl_settings(dynamic_sampling=False)
    batch, _ = collect_step(
        stream, Searching(lambda number, place: place == 0), Touched({touched}), settings, step=0
    )
    assert [group.trained for group in batch] == [False, True, True]


def test_where_most_searches_fail_training_stops():
    with pytest.raises(TrainingError, match=r"Searches failed in 6 of 6 rollouts: The network is gone\."):
        collect_step(
            ShuffledTasks(TASKS, 1),
            Searching(lambda number, place: place == 0),
            Touched(range(7)),
            rl_settings(),
            step=0,
        )


def test_failures_on_purpose_are_part_of_the_training():
    settings = rl_settings(search={"noise": {"fail": 0.5}})
    batch, put_back = collect_step(
        ShuffledTasks(TASKS, 1),
        Searching(lambda number, place: place == 0),
        Touched(range(7)),
        settings,
        step=0,
    )
    assert [group.trained for group in batch] == [True] * 3
    assert put_back == []


@pytest.mark.parametrize("seed", [1, 2])
def test_the_stream_passes_over_all_tasks_again_and_again(seed):
    stream = ShuffledTasks(TASKS, seed)
    passes = [[stream[7 * turn + place].id for place in range(7)] for turn in range(4)]
    assert all(sorted(one) == [task.id for task in TASKS] for one in passes)
    assert len({tuple(one) for one in passes}) > 1
    again = ShuffledTasks(TASKS, seed)
    assert [again[place].id for place in range(27, -1, -1)] == [
        identity for one in reversed(passes) for identity in reversed(one)
    ]
    assert [ShuffledTasks(TASKS, 3)[place].id for place in range(14)] != passes[0] + passes[1]


def test_a_batch_of_informative_groups_needs_no_refill():
    policy = Answering(lambda number, place: place == 0)
    batch, put_back = collect_step(ShuffledTasks(TASKS, 1), policy, Searcher(), rl_settings(), step=0)
    assert (len(batch), put_back, len(policy.asked)) == (3, [], 6)
    assert all(group.trained for group in batch)
    assert all([rollout.ledger.f1 for rollout in group.rollouts] == [1.0, 0.0] for group in batch)
    assert len({sampling.seed for sampling in policy.samplings}) == 6
    assert all(len({rollout.episode.trajectory.id for rollout in group.rollouts}) == 1 for group in batch)


def test_the_likelihood_of_right_rollouts_goes_by_the_reward():
    """The judge's verdict decides which rollouts are right, whatever their F1."""
    policy = Answering(lambda number, place: place == 0)
    batch, _ = collect_step(ShuffledTasks(TASKS, 1), policy, Searcher(), rl_settings(max_refills=0), step=0)
    turned = [
        replace(
            group,
            rollouts=tuple(
                replace(one, ledger=one.ledger.model_copy(update={"answer": 1.0 - one.ledger.answer}))
                for one in group.rollouts
            ),
        )
        for group in batch
    ]
    right, wrong = (step_figures(groups, [], rl_settings())["right_logprob"] for groups in (batch, turned))
    assert (right, wrong) == (pytest.approx(-0.75), pytest.approx(-1.75))


def test_groups_without_a_difference_are_put_back_and_others_sampled():
    stream = ShuffledTasks(TASKS, 1)
    dull = {int(stream[place].id[1:]) for place in (0, 2)}
    policy = Answering(lambda number, place: number in dull or place == 0)
    batch, put_back = collect_step(stream, policy, Searcher(), rl_settings(), step=0)
    assert [group.rollouts[0].episode.trajectory.id for group in batch] == [
        stream[place].id for place in (1, 3, 4)
    ]
    assert [group.attempt for group in batch] == [0, 1, 1]
    assert {int(group.rollouts[0].episode.trajectory.id[1:]) for group in put_back} == dull
    figures = step_figures(batch, put_back, rl_settings())
    assert (figures["groups_sampled"], figures["groups_kept"]) == (5, 3)
    assert figures["f1"] == pytest.approx(0.7)
    assert figures["valid"] == 1.0
    assert figures["model_tokens"] == 2
    assert figures["right_logprob"] == pytest.approx(-0.75)


def test_a_batch_that_cannot_be_filled_gets_silent_groups():
    policy = Answering(lambda number, place: number == 3 and place == 0)
    stream = ShuffledTasks(TASKS, 1)
    batch, put_back = collect_step(stream, policy, Searcher(), rl_settings(), step=0)
    kept = [group for group in batch if group.trained]
    assert len(batch) == 3
    assert all(group.rollouts[0].episode.trajectory.id == "q3" for group in kept)
    columns = to_batch(batch, pad_id=0)
    assert [any(mask) for mask in columns["env_mask"]] == [
        group.trained for group in batch for _ in group.rollouts
    ]
    sampled = Counter(policy.asked).total() // 2
    assert len(batch) + len(put_back) == sampled
    assert 3 <= sampled <= 9


def test_without_refills_and_without_dynamic_sampling():
    policy = Answering(lambda number, place: False)
    batch, put_back = collect_step(
        ShuffledTasks(TASKS, 1), policy, Searcher(), rl_settings(max_refills=0), step=0
    )
    assert [group.trained for group in batch] == [False] * 3
    assert put_back == []
    batch, put_back = collect_step(
        ShuffledTasks(TASKS, 1), policy, Searcher(), rl_settings(dynamic_sampling=False), step=0
    )
    assert [group.trained for group in batch] == [True] * 3
    assert put_back == []


def test_a_step_depends_on_seed_and_step_alone():
    def seen(step, seed=5):
        policy = Answering(lambda number, place: place == 0)
        collect_step(ShuffledTasks(TASKS, seed), policy, Searcher(), rl_settings(seed=seed), step)
        return policy.asked, [sampling.seed for sampling in policy.samplings]

    assert seen(4) == seen(4)
    assert seen(4)[1] != seen(5)[1]
    assert seen(4)[1] != seen(4, seed=6)[1]


def test_steps_never_share_a_place_of_the_stream():
    class Places:
        def __init__(self):
            self.asked = []

        def __getitem__(self, place):
            self.asked.append(place)
            return TASKS[place % 7]

    settings = rl_settings()
    seen = []
    for step in range(3):
        stream = Places()
        collect_step(stream, Answering(lambda number, place: False), Searcher(), settings, step)
        seen += stream.asked
    assert seen == sorted(set(seen))


def test_batches_hold_the_records_as_they_are():
    ledger = Ledger(f1=1, format=1, overlong=0, weighted_answer=1, weighted_format=0.2, total=1.2)

    def rollout(record):
        trajectory = Trajectory(
            id="x", task=task_json(TASKS[0]), turns=(), answer="", status="answered", usage=Usage()
        )
        return Rollout(Episode(trajectory, record), ledger)

    full = TokenRecord([1, 2], [3, 4, 5], [1, 0, 1], [-0.1, 0.0, -0.2])
    groups = [
        Group((rollout(full), rollout(TokenRecord([1, 2, 3]))), 0),
        Group((rollout(full), rollout(None)), 0, trained=False),
    ]
    assert to_batch(groups, pad_id=99) == {
        "prompt_ids": [[1, 2], [1, 2, 3], [1, 2], [99]],
        "completion_ids": [[3, 4, 5], [99], [3, 4, 5], [99]],
        "logprobs": [[-0.1, 0.0, -0.2], [0.0], [-0.1, 0.0, -0.2], [0.0]],
        "env_mask": [[1, 0, 1], [0], [0, 0, 0], [0]],
        "carried_reward": [1.2] * 4,
    }


def judged(endpoint, **given):
    reward = {
        "gated": False,
        "answer": "judge",
        "judge": {"url": endpoint.url, "model": "m", "retries": 0, "concurrency": 1},
    }
    return rl_settings(group_size=3, prompts_per_step=2, reward=reward, **given)


class Naming(Answering):
    """Gives a different answer each time, so that each answer gets a separate verdict."""

    async def open(self, messages, sampling):
        session = await super().open(messages, sampling)
        number, place = self.asked[-1], len(self.asked)

        async def generate(stop, max_tokens):
            session.record = TokenRecord([1, number], [7, 8], [1, 1], [-1.0, -1.0])
            return Generation(f"<think>t</think><answer>answer {place}</answer>", "stop", 2)

        session.generate = generate
        return session


def test_an_answer_without_a_verdict_is_left_out_of_its_group(tmp_path):
    unreadable = say("I would rather not say.")
    # Requests come one after another; an unreadable verdict is requested once more.
    wrong, right = verdict("incorrect"), verdict("correct")
    with Endpoint([right, unreadable, unreadable, wrong, right, wrong, wrong]) as endpoint:
        settings = judged(endpoint, max_refills=0)
        judge = open_judge(settings.reward.judge, tmp_path / "verdicts.jsonl")
        batch, put_back = collect_step(
            ShuffledTasks(TASKS, 1), Naming(lambda number, place: False), Searcher(), settings, 0, judge
        )
        asked = len(endpoint.requests)
        again, _ = collect_step(
            ShuffledTasks(TASKS, 1), Naming(lambda number, place: False), Searcher(), settings, 0, judge
        )
        assert len(endpoint.requests) == asked == 7
    # None of the rollouts searched, which costs 0.1.
    assert [rollout.ledger.total for rollout in batch[0].rollouts] == [
        pytest.approx(1.1),
        None,
        pytest.approx(0.1),
    ]
    assert [rollout.ledger.total for rollout in batch[1].rollouts] == pytest.approx([1.1, 0.1, 0.1])
    assert [one.ledger for group in again for one in group.rollouts] == [
        one.ledger for group in batch for one in group.rollouts
    ]
    assert "no readable verdict" in batch[0].rollouts[1].ledger.judge_error
    columns = to_batch(batch, pad_id=0)
    assert [any(mask) for mask in columns["env_mask"]] == [True, False, True, True, True, True]
    assert columns["carried_reward"][1] is None
    assert {len(column) for column in columns.values()} == {6}
    assert [fate(batch[0], rollout, True) for rollout in batch[0].rollouts] == [
        "trained",
        "left out",
        "trained",
    ]
    figures = step_figures(batch, put_back, rl_settings())
    assert (figures["left_out"], figures["judge"]) == (1, pytest.approx(0.4))
    assert figures["reward"] == pytest.approx(
        sum(figures[f"reward_{part}"] for part in ("answer", "format", "overlong", "no_answer", "no_search")),
        abs=1e-3,
    )


def test_a_group_with_one_reward_is_not_trained(tmp_path):
    with Endpoint(
        [
            verdict("correct"),
            say("?"),
            say("?"),
            say("?"),
            say("?"),
            verdict("correct"),
            verdict("incorrect"),
            verdict("correct"),
        ]
    ) as endpoint:
        settings = judged(endpoint, dynamic_sampling=False)
        judge = open_judge(settings.reward.judge, None)
        batch, _ = collect_step(
            ShuffledTasks(TASKS, 1), Naming(lambda number, place: False), Searcher(), settings, 0, judge
        )
    assert [group.trained for group in batch] == [False, True]


def test_a_judge_that_is_not_there_stops_the_training():
    with Endpoint([fail(503)]) as endpoint:
        settings = judged(endpoint)
        with pytest.raises(
            TrainingError,
            match=r"The judge gave no verdict on 6 of 6 answers: .* start the same command again",
        ):
            collect_step(
                ShuffledTasks(TASKS, 1),
                Naming(lambda number, place: False),
                Searcher(),
                settings,
                0,
                open_judge(settings.reward.judge, None),
            )
        with pytest.raises(ValueError, match="no judge was given"):
            collect_step(
                ShuffledTasks(TASKS, 1), Naming(lambda number, place: False), Searcher(), settings, 0
            )


def test_credit_goes_to_the_tokens_of_the_search():
    def turns(shown):
        info = f"\n<information>\n[1] T: {shown}\n</information>\n"
        return (
            Turn(role="model", text="<search>a</search>"),
            Turn(role="tool", text=info),
            Turn(role="model", text="<answer>right</answer>"),
        )

    def rollout(shown, found, total=1.0):
        trajectory = Trajectory(
            id="x",
            task=task_json(TASKS[0]),
            turns=turns(shown),
            answer="right",
            status="answered",
            usage=Usage(),
        )
        record = TokenRecord([1], [2, 3, 4, 5], [1, 1, 0, 1], [-0.1, -0.1, 0.0, -0.2])
        return Rollout(
            Episode(trajectory, record), Ledger(f1=1, format=1, overlong=0, found=(found,), total=total)
        )

    groups = [
        Group((rollout("right", 1), rollout("wrong", 0), rollout("right", 1, None)), 0),
        Group((rollout("right", 1),) * 2, 0, trained=False),
    ]
    masks = to_batch(groups, 0)["env_mask"]
    assert credit_columns(groups, masks, 0.0) == {}
    half = [[0.15, 0.15, 0, 0], [-0.15, -0.15, 0, 0], [0] * 4, [0] * 4, [0] * 4]
    assert [pytest.approx(column) for column in half] == credit_columns(groups, masks, 0.3)["token_credit"]


def test_figures_of_ledgers_leave_out_what_nobody_has():
    waiting = Ledger(f1=0, format=1, overlong=0, answer=None, weighted_answer=None, total=None)
    figures = ledger_figures([waiting])
    assert figures["left_out"] == 1
    assert not {"reward", "reward_answer", "answer", "judge"} & figures.keys()
