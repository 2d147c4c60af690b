"""DAPO on a tiny model: the trainer gets the rollouts' tokens, the loss is the formula, killed runs
resume."""

import contextlib
import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from kit.train_helpers import Killed, farthest, weights, write_index, write_questions

from masksearch.errors import TrainingError, UsageError
from masksearch.runtime.files import read_appended
from masksearch.scoring.rewards import Ledger, dapo_objective, group_advantages
from masksearch.search import load
from masksearch.search.index.bm25 import Bm25Searcher
from masksearch.train.head import apply_head_where_loss
from masksearch.train.recorder import Recorder
from masksearch.train.rl import dynamic_sampling as rollout
from masksearch.train.rl import rollout as worker
from masksearch.train.rl.stage import run_rl
from masksearch.train.rl.trainer import DapoTrainer
from masksearch.train.settings import RlSettings


def ledger_of(trajectory):
    """Returns a reward that differs between rollouts; the model is too small to earn one."""
    value = random.Random("".join(turn.text for turn in trajectory.turns)).random()
    return Ledger(
        f1=float(value > 0.5),
        answer=float(value > 0.5),
        format=0.0,
        overlong=0.0,
        weighted_answer=value,
        total=value,
    )


@pytest.fixture(scope="module")
def patch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def ran(tmp_path_factory, tiny_checkpoint, patch_module):
    """Two steps of 2 prompts x 2 rollouts, with all inputs of the trainer."""
    folder = tmp_path_factory.mktemp("rl")
    settings = RlSettings.model_validate(
        {
            "model": str(tiny_checkpoint), "tasks": write_questions(folder / "q.jsonl"),
            "index": write_index(folder / "index"), "steps": 2, "prompts_per_step": 2, "group_size": 2,
            "learning_rate": 1e-2, "micro_batch_size": 2, "decode_slots": 3, "dtype": "float32",
            "agent": {"max_tokens": 24, "turn_tokens": 12, "max_length": 512},
            "reward": {"max_tokens": 24, "cache_tokens": 8}, "seed": 3,
        }
    )  # fmt: skip
    original = rollout.score_episode
    patch_module.setattr(
        rollout,
        "score_episode",
        lambda episode, s: rollout.Rollout(original(episode, s).episode, ledger_of(episode.trajectory)),
    )
    # Random text hardly ever contains a search tag; here about half of all turns count as a search.
    patch_module.setattr("masksearch.agent.loop.parse_turn", _search_once())
    # Without threads, whose speed would decide which rollouts are decoded together, and so the rounding.
    patch_module.setattr(Bm25Searcher, "asearch", _search_at_once)
    handed, losses = [], []
    batch_of, loss_of = worker.to_batch, DapoTrainer._compute_loss

    def to_batch(groups, pad_id):
        handed.append((groups, batch_of(groups, pad_id)))
        return handed[-1][1]

    def compute_loss(self, model, inputs):
        loss = loss_of(self, model, inputs)
        with torch.no_grad():
            logps, _, _ = self._get_per_token_logps_and_entropies(
                model,
                torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
                torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
                inputs["completion_ids"].shape[1],
            )
        losses.append(
            (
                loss.detach().clone(),
                logps,
                {name: value.clone() for name, value in inputs.items() if torch.is_tensor(value)},
            )
        )
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "to_batch", to_batch)
        patch.setattr(DapoTrainer, "_compute_loss", compute_loss)
        summary = run_rl(settings, folder / "out", folder / "work")
    return settings, folder, summary, handed, losses


async def _search_at_once(self, query, k):
    return self.search([query], k)[0]


def _search_once():
    from masksearch.agent.protocol import Invalid, Search

    def parse(text, tools):
        # The content decides, so the same text always gives the same call.
        return Search("Ada Bob Cid") if random.Random(text).random() < 0.6 else Invalid("nothing")

    return parse


def test_the_checkpoint_records_its_search(ran):
    settings, folder, *_ = ran
    mark = json.loads((folder / "out" / "masksearch.json").read_text())
    assert mark["stage"] == "rl"
    assert mark["retrievers"] == [load(settings.index).fingerprint]


def test_logs_are_complete(ran):
    _, folder, summary, handed, _ = ran
    log = read_appended(folder / "work" / "log.jsonl")
    assert [row["step"] for row in log] == [1, 2]
    wanted = {
        "loss",
        "grad_norm",
        "learning_rate",
        "entropy",
        "clipped",
        "logprob_gap",
        "reward",
        "f1",
        "valid",
        "overlong",
        "model_tokens",
        "searches",
    }
    for row in log:
        assert (
            wanted | {"failed_searches", "groups_sampled", "groups_kept", "rollout_seconds", "seconds"}
            <= row.keys()
        )
        assert row["logprob_gap"] < 1e-3
    rows = read_appended(folder / "work" / "rollouts.jsonl")
    assert len({row["id"] for row in rows}) == len(rows)
    assert sum(row["fate"] != "put back" for row in rows) == 2 * 4
    for row in rows:
        assert set(row["reward"]) == set(Ledger.model_fields)
        assert row["reward"]["total"] == pytest.approx(
            sum(value for name, value in row["reward"].items() if name.startswith("weighted_"))
        )
    for step, (groups, _) in enumerate(handed, 1):
        mine = [row for row in rows if row["step"] == step]
        assert log[step - 1]["groups_sampled"] == len(mine) / 2
        assert (
            log[step - 1]["groups_kept"]
            == sum(group.trained for group in groups)
            == sum(row["fate"] == "trained" for row in mine) / 2
        )
        assert log[step - 1]["reward"] == pytest.approx(
            np.mean([row["reward"]["total"] for row in mine]), abs=1e-4
        )
    assert summary["groups_sampled"] == len(rows) / 2
    assert any(row["usage"]["tool_tokens"] for row in rows)


def test_the_trainer_gets_the_tokens_of_the_rollout(ran):
    _, _, _, handed, losses = ran
    assert len(handed) == 2
    assert len(losses) == 4  # two steps of two micro batches
    for step, (groups, columns) in enumerate(handed):
        expected = {}
        rollouts = [(group, one) for group in groups for one in group.rollouts]
        for (group, one), ids, mask, logprobs in zip(
            rollouts, columns["completion_ids"], columns["env_mask"], columns["logprobs"], strict=True
        ):
            record = one.episode.record
            assert len(ids) == len(mask) == len(logprobs)
            assert (ids, logprobs) == (record.ids, record.logprobs)
            assert mask == (record.mask if group.trained else [0] * len(ids))
            expected[tuple(record.prompt_ids), tuple(ids)] = (mask, logprobs)
        seen = set()
        for _, _, inputs in losses[2 * step : 2 * step + 2]:
            for row in range(len(inputs["prompt_ids"])):
                ids = tuple(inputs["completion_ids"][row][inputs["completion_mask"][row].bool()].tolist())
                prompt = tuple(inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].tolist())
                mask, logprobs = expected[prompt, ids]
                seen.add((prompt, ids))
                assert inputs["tool_mask"][row][: len(ids)].tolist() == mask
                assert inputs["old_per_token_logps"][row][: len(ids)].tolist() == pytest.approx(logprobs)
                assert torch.equal(inputs["old_per_token_logps"], inputs["sampling_per_token_logps"])
        assert seen == set(expected)


def test_the_loss_is_dapos(ran):
    settings, _, _, handed, losses = ran
    for step, (groups, _) in enumerate(handed):
        rewards = [[one.ledger.total for one in group.rollouts] for group in groups]
        advantages = {
            tuple(one.episode.record.ids): value
            for group, values in zip(groups, group_advantages(rewards), strict=True)
            for one, value in zip(group.rollouts, values, strict=True)
        }
        parts = losses[2 * step : 2 * step + 2]
        width = max(inputs["completion_ids"].shape[1] for _, _, inputs in parts)

        def wide(column, width=width):
            return torch.nn.functional.pad(column.float(), (0, width - column.shape[1]))

        new, old, mask, scale = [], [], [], []
        for _, logps, inputs in parts:
            new.append(wide(logps))
            old.append(wide(inputs["old_per_token_logps"]))
            mask.append(wide(inputs["completion_mask"] * inputs["tool_mask"]))
            for row, expected in enumerate(inputs["advantages"].tolist()):
                ids = tuple(inputs["completion_ids"][row][inputs["completion_mask"][row].bool()].tolist())
                scale.append(advantages[ids])
                assert scale[-1] == pytest.approx(expected, abs=1e-4)
        objective = dapo_objective(
            torch.cat(new).numpy(),
            torch.cat(old).numpy(),
            scale,
            torch.cat(mask).numpy(),
            settings.clip_low,
            settings.clip_high,
        )
        assert sum(float(loss) for loss, _, _ in parts) == pytest.approx(-objective, abs=1e-5)
        assert any(group.trained for group in groups)


def test_silent_groups_carry_no_loss(ran):
    _, _, _, handed, losses = ran
    for step, (groups, _) in enumerate(handed):
        scored = sum(
            int(((inputs["completion_mask"] * inputs["tool_mask"]).sum(dim=1) > 0).sum())
            for _, _, inputs in losses[2 * step : 2 * step + 2]
        )
        assert scored == 2 * sum(group.trained for group in groups)


def test_rows_without_loss_are_not_computed(tiny_checkpoint):
    """Log-probs, entropies and gradients equal those of all rows.

    The model gets only the rows with wanted tokens, or one row where there is none.
    """
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(tiny_checkpoint), dtype=torch.float32)
    apply_head_where_loss(model)
    shapes, original = [], model.forward

    def seen(*args, **given):
        shapes.append(tuple(given["input_ids"].shape))
        return original(*args, **given)

    model.forward = seen
    trainer = DapoTrainer.__new__(DapoTrainer)
    trainer.accelerator = SimpleNamespace(autocast=contextlib.nullcontext)
    torch.manual_seed(0)
    ids, attention = torch.randint(5, 50, (4, 12)), torch.ones(4, 12, dtype=torch.long)
    attention[1, 9:] = 0
    attention[2, :3] = 0
    wanted = torch.zeros(4, 6, dtype=torch.bool)
    wanted[1, :3] = wanted[2, 2:] = True

    def gradient(logps):
        model.zero_grad()
        logps.sum().backward()
        return [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]

    few = trainer._score(model, ids, attention, wanted)
    few_gradient = gradient(few[0])
    every = trainer._score_rows(model, ids, attention, wanted)
    every_gradient = gradient(every[0])
    # Without padding at the left and at the right, the two rows have nine tokens.
    assert shapes == [(2, 9), (4, 12)]
    for mine, theirs in zip((*few, *few_gradient), (*every, *every_gradient), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)
    assert few[0][~wanted].abs().sum() == 0 != few[0][wanted].abs().min()
    for row, start, end in ((1, 0, 9), (2, 3, 12)):
        whole = model(input_ids=ids[row : row + 1, start:end]).logits[0, :-1].log_softmax(dim=-1)
        picked = whole.gather(1, ids[row, start + 1 : end, None])[:, 0]  # tokens start + 1 to end
        placed = torch.zeros(12).index_copy(0, torch.arange(start + 1, end), picked)[-6:]
        assert torch.allclose(few[0][row], placed * wanted[row], atol=1e-5)
    nothing = trainer._score(model, ids, attention, torch.zeros_like(wanted))
    assert shapes[-1] == (1, 12)
    assert float(nothing[0].detach().abs().sum()) == 0
    assert all(float(weight.abs().sum()) == 0 for weight in gradient(nothing[0]))


@pytest.mark.parametrize("moment", ["after step 1", "in step 2"])
@pytest.mark.slow
def test_a_killed_run_ends_as_an_undisturbed_one(ran, tmp_path, monkeypatch, moment, tiny_checkpoint):
    settings, folder, _, _, _ = ran
    method = "on_save" if moment == "after step 1" else "on_log"
    original = getattr(Recorder, method)

    def killing(self, args, state, control, *rest, **kwargs):
        result = original(self, args, state, control, *rest, **kwargs)
        if state.global_step == (1 if method == "on_save" else 2):
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, method, killing)
        with pytest.raises(Killed):
            run_rl(settings, tmp_path / "out", tmp_path / "work")
    run_rl(settings, tmp_path / "out", tmp_path / "work")
    assert farthest(weights(folder / "out"), weights(tiny_checkpoint)) > 1e-3
    assert farthest(weights(tmp_path / "out"), weights(folder / "out")) < 1e-6
    for name in ("log.jsonl", "rollouts.jsonl"):
        whole, resumed = (
            [(row["step"], row.get("id")) for row in read_appended(place / "work" / name)]
            for place in (folder, tmp_path)
        )
        assert whole == resumed


def test_batch_sizes_must_fit(ran, tmp_path):
    settings, _, _, _, _ = ran
    with pytest.raises(TrainingError, match="must be a multiple of micro_batch_size"):
        run_rl(settings.model_copy(update={"micro_batch_size": 3}), tmp_path / "out", tmp_path / "work")


def test_rollouts_without_a_reward_and_credited_searches_in_the_trainer(ran, tmp_path, monkeypatch):
    settings = ran[0].model_copy(
        update={"steps": 1, "prompts_per_step": 1, "group_size": 4, "dynamic_sampling": False}
    )
    settings = settings.model_copy(
        update={"reward": settings.reward.model_copy(update={"search_credit": 0.5})}
    )
    places, batches = iter(range(100)), []
    score = rollout.score_episode

    def scored(episode, s):
        one, place = score(episode, s), next(places)
        total = None if place == 1 else float(place)
        return rollout.Rollout(
            one.episode,
            one.ledger.model_copy(update={"total": total, "weighted_answer": total, "found": (1,)}),
        )

    generate = DapoTrainer._generate_and_score_completions

    def keeping(self, inputs):
        batch = generate(self, inputs)
        batches.append(
            (list(inputs), {name: value.clone() for name, value in batch.items() if torch.is_tensor(value)})
        )
        return batch

    monkeypatch.setattr(rollout, "score_episode", scored)
    monkeypatch.setattr(DapoTrainer, "_generate_and_score_completions", keeping)
    run_rl(settings, tmp_path / "out", tmp_path / "work")
    [(rows, batch)] = batches
    wanted = group_advantages([[0.0, np.nan, 2.0, 3.0]])[0]
    for place, row in enumerate(rows):
        ids = batch["completion_mask"][place].bool()
        expected = wanted[place] + np.array(row["token_credit"])
        assert batch["advantages"][place][ids].tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert any(any(row["token_credit"]) for row in rows)
    trained = (batch["completion_mask"] * batch["tool_mask"]).sum(dim=1) > 0
    assert trained.tolist() == [True, False, True, True]
    assert [row["fate"] for row in read_appended(tmp_path / "work" / "rollouts.jsonl")] == [
        "trained",
        "left out",
        "trained",
        "trained",
    ]
    [log] = read_appended(tmp_path / "work" / "log.jsonl")
    assert (log["left_out"], log["reward"]) == (1, pytest.approx(5 / 3, abs=1e-4))
    assert np.isfinite(log["loss"])


def test_gaps_are_dealt_with_as_the_trainer_does():
    from trl.trainer.utils import nanstd

    rewards = np.random.default_rng(1).normal(size=(3, 8))
    rewards[0, 2] = rewards[1, :3] = np.nan
    tensor = torch.tensor(rewards)
    wanted = torch.nan_to_num(
        (tensor - torch.nanmean(tensor, dim=1, keepdim=True)) / (nanstd(tensor, dim=1).unsqueeze(1) + 1e-4),
        nan=0.0,
    )
    np.testing.assert_allclose(group_advantages(rewards), wanted.numpy())


def test_a_judge_that_cannot_be_asked_is_told_before_a_model_is_loaded(ran, tmp_path):
    reward = {"answer": "judge", "judge": {"url": "nowhere", "model": "m"}}
    settings = RlSettings.model_validate({**ran[0].model_dump(), "model": "no such model", "reward": reward})
    with pytest.raises(UsageError, match=r"--judge\.url"):
        run_rl(settings, tmp_path / "out", tmp_path / "work")
