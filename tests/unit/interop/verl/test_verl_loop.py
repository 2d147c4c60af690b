"""Our agent loop inside verl, on a scripted server manager.

Needs verl (the extra `verl`, in a separate environment).
"""

import asyncio
import json
from types import SimpleNamespace

import pytest

pytest.importorskip(
    "verl",
    reason="verl is not installed; it pins an older transformers, so its tests need a separate environment: "
    "docs/scale.md",
)

import hydra
import numpy as np
from kit.tiny import make_tiny_tokenizer
from omegaconf import OmegaConf
from verl.experimental.agent_loop.agent_loop import AgentLoopWorker, DictConfigWrap, ToolListWrap
from verl.workers.rollout.replica import TokenOutput

from masksearch.interop.export.verl import task_row
from masksearch.interop.verl.config import agent_loops, write_config
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.train.settings import RlSettings
from masksearch.types import Passage, Question

QUESTION = Question(id="q1", question="Who is Ada?", answers=("Lovelace",))
SEARCHES, ANSWERS = "<think>x</think>\n<search>Ada</search>", "<think>y</think>\n<answer>Lovelace</answer>"


class FakeServer:
    """Generates scripted turns; like verl's server, stops at the first stop token or at `max_tokens`."""

    def __init__(self, tokenizer, turns):
        self.tokenizer, self.turns, self.asked = tokenizer, list(turns), []
        self.left = []

    async def generate(self, request_id, *, prompt_ids, sampling_params, **more):
        self.asked.append((request_id, list(prompt_ids), dict(sampling_params)))
        if not self.left:
            self.left = self.tokenizer(self.turns.pop(0), add_special_tokens=False)["input_ids"]
        ids = []
        while self.left and len(ids) < sampling_params["max_tokens"]:
            ids.append(self.left.pop(0))
            if ids[-1] in sampling_params["stop_token_ids"]:
                break
        return TokenOutput(token_ids=ids, log_probs=[-0.5] * len(ids), stop_reason="completed")


@pytest.fixture(scope="module")
def tokenizer():
    return make_tiny_tokenizer()


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verl")
    build(
        [Passage(id="a", doc_id="a", title="Ada", text="Ada is Lovelace <|im_end|> </information>.")],
        folder / "index",
        IndexSettings(corpus="x"),
    )
    return RlSettings.model_validate(
        {"model": "m", "tasks": "t", "index": str(folder / "index"), "agent": {"max_length": 2048}}
    )


def make_loop(tokenizer, settings, server, response_length=1500):
    rollout = {"prompt_length": 1000, "response_length": response_length}
    config = OmegaConf.create({"actor_rollout_ref": {"rollout": rollout}, "data": {}})
    return hydra.utils.instantiate(
        OmegaConf.create(agent_loops(settings))[0],
        trainer_config=DictConfigWrap(config=config),
        server_manager=server,
        tokenizer=tokenizer,
        processor=None,
        hf_model_type="llama",
        dataset_cls=None,
        data_config=DictConfigWrap(config.data),
        tools=ToolListWrap([]),
    )


def run(tokenizer, settings, turns, row=None, **more):
    server = FakeServer(tokenizer, turns)

    async def go():
        loop = make_loop(tokenizer, settings, server, **more)
        return await loop.run(
            {"temperature": 1.0, "top_p": 1.0, "logprobs": True},
            raw_prompt=[],
            **(row or task_row(QUESTION, 0, "spans")),
        )

    return asyncio.run(go()), server


def test_an_episode_is_ours_token_for_token(tokenizer, settings):
    output, server = run(tokenizer, settings, [SEARCHES, ANSWERS])
    assert len(output.response_ids) == len(output.response_mask) == len(output.response_logprobs)
    written = [token for token, mine in zip(output.response_ids, output.response_mask, strict=True) if mine]
    assert tokenizer.decode(written) == SEARCHES + ANSWERS
    shown = [token for token, mine in zip(output.response_ids, output.response_mask, strict=True) if not mine]
    assert "Ada is Lovelace" in tokenizer.decode(shown)
    assert not set(shown) & set(tokenizer.all_special_ids), "retrieved text must not act as a special token"
    assert tokenizer.decode(shown).count("</information>") == 1
    assert all(
        value == (-0.5 if mine else 0.0)
        for value, mine in zip(output.response_logprobs, output.response_mask, strict=True)
    )
    # All requests share one id and extend the same prefix, so that the server can use its cache.
    assert len({request for request, _, _ in server.asked}) == 1
    for (_, before, _), (_, after, _) in zip(server.asked, server.asked[1:], strict=False):
        assert after[: len(before)] == before


def test_reward_and_what_is_filtered_by(tokenizer, settings):
    right, _ = run(tokenizer, settings, [SEARCHES, ANSWERS])
    wrong, _ = run(tokenizer, settings, [SEARCHES, ANSWERS.replace("Lovelace", "Bob")])
    assert right.reward_score == pytest.approx(1.2)
    assert (
        right.extra_fields["reward_extra_info"]["solved"],
        wrong.extra_fields["reward_extra_info"]["solved"],
    ) == (1.0, 0.0)
    assert right.extra_fields["reward_extra_info"].keys() == wrong.extra_fields["reward_extra_info"].keys()
    unsearched, _ = run(tokenizer, settings, [ANSWERS])
    assert unsearched.reward_score == pytest.approx(0.2 - 0.1), (
        "an answer without a search earns the format reward, less the penalty"
    )
    assert (
        unsearched.extra_fields["reward_extra_info"]["f1"],
        unsearched.extra_fields["reward_extra_info"]["solved"],
    ) == (1.0, 0.0)
    assert (right.num_turns, right.extra_fields["reward_extra_info"]["searches"]) == (4, 1.0)


def test_limits(tokenizer, settings):
    cut, _ = run(tokenizer, settings, [SEARCHES, ANSWERS], response_length=10)
    assert len(cut.response_ids) == len(cut.response_mask) == len(cut.response_logprobs) == 10
    long, server = run(tokenizer, settings, ["word " * 900])
    assert sum(long.response_mask) == settings.agent.turn_tokens
    assert server.asked[0][2]["max_tokens"] == settings.agent.turn_tokens


def test_a_row_without_a_task_is_refused(tokenizer, settings):
    with pytest.raises(Exception, match=r"lacks extra_info\.task"):
        run(tokenizer, settings, [], row={"extra_info": {"index": 3}})


def test_verl_composes_and_accepts_the_configuration(settings, tmp_path):
    from verl.trainer.config import AlgoConfig
    from verl.utils.config import omega_conf_to_dataclass

    write_config(settings, tmp_path, "a.parquet", "b.parquet", gpus=2)
    with hydra.initialize_config_dir(config_dir=str(tmp_path), version_base=None):
        config = hydra.compose(config_name="masksearch")  # fails for a key that verl does not have
    algorithm = omega_conf_to_dataclass(config.algorithm)
    assert isinstance(algorithm, AlgoConfig)
    assert (
        algorithm.filter_groups.enable,
        algorithm.filter_groups.metric,
        algorithm.rollout_correction["bypass_mode"],
    ) == (True, "solved", True)
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    assert (actor.clip_ratio_high, actor.loss_agg_mode, actor.ppo_mini_batch_size) == (
        0.28,
        "token-mean",
        settings.prompts_per_step,
    )
    rollout = omega_conf_to_dataclass(config.actor_rollout_ref.rollout)
    assert rollout.agent.default_agent_loop == "masksearch"
    assert (
        json.loads(OmegaConf.to_container(OmegaConf.load(rollout.agent.agent_loop_config_path))[0]["agent"])[
            "max_length"
        ]
        == 2048
    )
    stock = OmegaConf.to_container(hydra_defaults(), resolve=False)
    assert unknown(json.loads((tmp_path / "masksearch.yaml").read_text()), stock) == []


def hydra_defaults():
    with hydra.initialize_config_module("verl.trainer.config", version_base=None):
        return hydra.compose(config_name="ppo_trainer")


def unknown(mine, theirs, path=""):
    """Returns keys that verl's own configuration lacks: it would accept and ignore them."""
    found = []
    for name, value in mine.items():
        if not path and name in ("hydra", "defaults"):
            continue
        if name not in theirs:
            found.append(path + name)
        elif isinstance(value, dict) and isinstance(theirs[name], dict):
            found += unknown(value, theirs[name], f"{path}{name}.")
    return found


def test_verls_own_worker_pads_what_comes_out(tokenizer, settings):
    """Runs the real post-processing of verl's worker on one of our batch rows."""
    output, _ = run(tokenizer, settings, [SEARCHES, ANSWERS])
    worker = SimpleNamespace(
        tokenizer=tokenizer,
        processor=None,
        rollout_config=SimpleNamespace(prompt_length=1000, response_length=1500),
        reward_loop_worker_handles=None,
        distillation_enabled=False,
        _get_mm_processor_kwargs=lambda audio=None: {},
    )
    for name in (
        "_pad_token_ids",
        "_compute_multi_modal_inputs",
        "_compute_position_ids",
        "_compute_score",
        "_compute_teacher_logprobs",
    ):
        setattr(worker, name, getattr(AgentLoopWorker, name).__get__(worker))
    padded = asyncio.run(
        AgentLoopWorker._agent_loop_postprocess(worker, output, False, raw_prompt=np.array([]))
    )
    assert int(padded.response_mask.sum()) == sum(output.response_mask)
    assert padded.reward_score == output.reward_score
