"""The loss of each algorithm against its paper's formula, in float64 on random groups, and RLOO's
gradient."""

import math
import random
from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from trl import GRPOTrainer

from masksearch.train.rl.batch import mask_cut_short
from masksearch.train.rl.estimators import ALGORITHMS, leave_one_out, share_with_loss
from masksearch.train.rl.trainer import DapoTrainer, TokenFigures
from masksearch.train.settings import RlSettings

LOW, HIGH, BETA, LENGTH = 0.2, 0.28, 0.05, 37


def groups(seed):
    """Returns random groups: the rewards, and for each rollout new, old and reference log-probs and mask.

    Some rollouts have no token with loss.
    """
    rng = random.Random(seed)
    size = rng.choice([2, 3, 5])
    found = []
    for _ in range(rng.choice([1, 2, 4])):
        rollouts = []
        for place in range(size):
            length = rng.randint(1, 9)
            old = [-rng.random() * 3 for _ in range(length)]
            new = [value + rng.gauss(0, 0.3) for value in old]
            reference = [value + rng.gauss(0, 0.3) for value in old]
            mask = (
                [int(rng.random() < 0.6) for _ in range(length)]
                if place or rng.random() < 0.5
                else [0] * length
            )
            rollouts.append((new, old, reference, mask))
        found.append(([rng.choice([0.0, 0.2, rng.random()]) for _ in range(size)], rollouts))
    if not any(any(mask) for _, rollouts in found for *_, mask in rollouts):
        return groups(seed + 1000)
    return found


def advantage(algorithm, rewards, place):
    mean = sum(rewards) / len(rewards)
    if algorithm == "rloo":  # arXiv 2402.14740, equation 8
        others = rewards[:place] + rewards[place + 1 :]
        return rewards[place] - sum(others) / len(others)
    if algorithm == "dr-grpo":
        return rewards[place] - mean
    deviation = math.sqrt(sum((reward - mean) ** 2 for reward in rewards) / (len(rewards) - 1))
    return (rewards[place] - mean) / (deviation + 1e-4)


def clipped(ratio, scale):
    return min(ratio * scale, min(max(ratio, 1 - LOW), 1 + HIGH) * scale)


def expected(algorithm, found, beta):
    """Returns the loss in plain Python, token by token: minus the objective of the paper."""
    per_rollout, tokens_of = [], []
    for rewards, rollouts in found:
        for place, (new, old, reference, mask) in enumerate(rollouts):
            places = [token for token, kept in enumerate(mask) if kept]
            if not places:
                continue
            scale = advantage(algorithm, rewards, place)
            ratios = [math.exp(new[token] - old[token]) for token in places]
            if algorithm == "gspo":  # one ratio: the geometric mean
                ratios = [math.prod(ratios) ** (1 / len(ratios))] * len(ratios)
            kl = [
                math.exp(reference[token] - new[token]) - (reference[token] - new[token]) - 1
                for token in places
            ]
            terms = [
                clipped(ratio, scale) - beta * penalty for ratio, penalty in zip(ratios, kl, strict=True)
            ]
            per_rollout.append(sum(terms))
            tokens_of.append(len(terms))
    if algorithm == "dapo":
        return -sum(per_rollout) / sum(tokens_of)
    if algorithm in ("grpo", "gspo"):
        return -sum(total / count for total, count in zip(per_rollout, tokens_of, strict=True)) / len(
            per_rollout
        )
    if algorithm == "dr-grpo":
        return -sum(per_rollout) / (len(per_rollout) * LENGTH)
    return -sum(per_rollout) / len(per_rollout)


def trl_advantages(method, rewards):
    """Returns TRL's advantages: (groups, G) -> (groups x G,).

    TRL computes them inside a method that also generates.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if method.scale == "group":
        centred = centred / (rewards.std(dim=1, keepdim=True) + 1e-4)
    return centred.flatten()


def trainer_loss(algorithm, found, beta, micro):
    """Returns the loss of the trainer's method, summed over micro-batches, and the new log-probs (B, T).

    The trainer has no model; the log-probs are passed in.
    """
    method, size = ALGORITHMS[algorithm], len(found[0][0])
    rollouts = [one for _, group in found for one in group]
    width = max(len(mask) for *_, mask in rollouts)
    columns = [torch.zeros(len(rollouts), width, dtype=torch.float64) for _ in range(4)]
    complete = torch.zeros(len(rollouts), width, dtype=torch.long)
    for row, one in enumerate(rollouts):
        for column, values in zip(columns, one, strict=True):
            column[row, : len(values)] = torch.tensor(values, dtype=torch.float64)
        complete[row, : len(one[3])] = 1
    new, old, reference, tool = columns
    new.requires_grad_()
    advantages = trl_advantages(method, torch.tensor([rewards for rewards, _ in found], dtype=torch.float64))
    if method.leave_one_out:
        advantages = leave_one_out(advantages, torch.ones(len(rollouts), dtype=torch.bool), size)
    mask = complete * tool.long()
    trainer = DapoTrainer.__new__(DapoTrainer)
    settings = RlSettings(model="m", tasks="t", index="i", algorithm=algorithm, micro_batch_size=micro)
    one_process = SimpleNamespace(
        num_processes=1,
        gather=lambda value: value,
        reduce=lambda value, reduction: value,
        sync_gradients=True,
    )
    vars(trainer).update(
        settings=settings, algorithm=method, _scoring=False, _tokens=TokenFigures(), accelerator=one_process,
        model=SimpleNamespace(training=True), loss_type=method.loss, importance_sampling_level=method.level,
        beta=beta, epsilon_low=LOW, epsilon_high=HIGH, max_completion_length=LENGTH,
        top_entropy_quantile=1.0, off_policy_mask_threshold=None, use_vllm=False,
        vllm_importance_sampling_correction=False, aux_loss_enabled=False, _entropy_bonus_enabled=False,
        current_gradient_accumulation_steps=len(rollouts) // micro, _metrics={"train": defaultdict(list)},
        args=SimpleNamespace(
            delta=None, use_bias_correction_kl=False, steps_per_generation=len(rollouts) // micro
        ),
    )  # fmt: skip
    total = torch.zeros((), dtype=torch.float64)
    for start in range(0, len(rollouts), micro):
        some = slice(start, start + micro)
        trainer._get_per_token_logps_and_entropies = lambda *args, some=some, **kwargs: (
            new[some],
            torch.zeros_like(new[some]),
            None,
        )
        inputs = {
            "prompt_ids": torch.zeros(micro, 1, dtype=torch.long),
            "prompt_mask": torch.ones(micro, 1, dtype=torch.long), "completion_ids": complete[some],
            "completion_mask": complete[some], "tool_mask": tool[some].long(),
            "advantages": advantages[some], "old_per_token_logps": old[some],
            "sampling_per_token_logps": old[some], "ref_per_token_logps": reference[some],
            "num_items_in_batch": mask.sum(), "share_with_loss": share_with_loss(mask),
        }  # fmt: skip
        total = total + trainer._compute_loss(None, inputs)
    return total, new


@pytest.mark.parametrize("beta", [0.0, BETA])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.slow
def test_the_loss_is_the_papers(algorithm, beta):
    for seed in range(40):
        found = groups(seed)
        count = sum(len(rewards) for rewards, _ in found)
        for micro in {1, len(found[0][0]), count}:
            loss, _ = trainer_loss(algorithm, found, beta, micro)
            # The share of rollouts with loss is computed in float32.
            assert float(loss.detach()) == pytest.approx(
                expected(algorithm, found, beta), rel=1e-6, abs=1e-9
            ), (algorithm, seed, micro)


def test_the_gradient_of_rloo_is_that_of_the_rollouts_log_probability():
    """On-policy, the gradient is A times that of log p(rollout), averaged over rollouts."""
    for seed in range(20):
        found = [
            (rewards, [(old, old, reference, mask) for _, old, reference, mask in rollouts])
            for rewards, rollouts in groups(seed)
        ]
        count = sum(len(rewards) for rewards, _ in found)
        loss, new = trainer_loss("rloo", found, 0.0, count)
        (gradient,) = torch.autograd.grad(loss, new)
        with_loss = sum(any(mask) for _, rollouts in found for *_, mask in rollouts)
        row = 0
        for rewards, rollouts in found:
            for place, (*_, mask) in enumerate(rollouts):
                wanted = [-advantage("rloo", rewards, place) * kept / with_loss for kept in mask]
                assert gradient[row, : len(mask)].tolist() == pytest.approx(wanted, rel=1e-6, abs=1e-9)
                row += 1


def test_a_mean_over_rollouts_does_not_count_those_without_loss():
    assert float(share_with_loss(torch.tensor([[1, 0], [0, 0], [0, 1], [0, 0]]))) == 0.5
    assert float(share_with_loss(torch.zeros(3, 2))) == 1.0
    assert {name for name, method in ALGORITHMS.items() if not method.by_rollout} == {"dapo"}


def test_leave_one_out_is_among_those_that_have_a_reward():
    rewards = torch.tensor(
        [[1.0, math.nan, 0.0, 0.5], [math.nan, 0.25, math.nan, math.nan]], dtype=torch.float64
    )
    centred = torch.nan_to_num(rewards - rewards.nanmean(dim=1, keepdim=True)).flatten()
    found = leave_one_out(centred, ~rewards.isnan().flatten(), 4)
    assert found.tolist() == pytest.approx([1 - 0.25, 0, 0 - 0.75, 0.5 - 0.5, 0, 0, 0, 0])


def test_rollouts_that_were_cut_short_carry_no_loss():
    def group(*statuses):
        return SimpleNamespace(
            rollouts=[
                SimpleNamespace(episode=SimpleNamespace(trajectory=SimpleNamespace(status=status)))
                for status in statuses
            ]
        )

    masks = mask_cut_short(
        [[1, 0, 1], [1, 1], [1], [0, 1]],
        [group("answered", "too_long"), group("too_many_searches", "too_long")],
    )
    assert masks == [[1, 0, 1], [0, 0], [1], [0, 0]]


def test_figures_of_tokens_are_means_over_all_of_them():
    figures = TokenFigures()
    figures.add(
        torch.log(torch.tensor([0.5, 0.2])), torch.log(torch.tensor([0.25, 0.2])), torch.tensor([1.0, 2.0])
    )
    figures.add(torch.log(torch.tensor([0.1])), torch.log(torch.tensor([0.2])), torch.tensor([6.0]))
    figures.add(torch.zeros(0), torch.zeros(0), torch.zeros(0))
    assert figures.take() == pytest.approx(
        {"entropy": 3.0, "ratio": 3.5 / 3, "logprob_gap": 2 * math.log(2) / 3, "ratio_max": 2.0}
    )
    assert figures.take() == {}


def test_the_trainer_still_has_what_is_set_from_outside():
    assert {
        "_compute_loss",
        "_generate_and_score_completions",
        "_get_per_token_logps_and_entropies",
        "training_step",
        "log",
    } <= set(dir(GRPOTrainer))
