"""Backends of RL rollouts: weights are loaded before each step's rollouts, and vLLM's tokens are trained on.

TRL's own code transfers the weights.
"""

import copy
import importlib.util
import sys
from types import SimpleNamespace

import pytest
import torch
from kit.endpoint import Endpoint
from kit.train_helpers import Killed, farthest, weights, write_index, write_questions
from kit.vllm import Tiny, TinyEngine, completions, installed, server_info
from trl.generation.vllm_generation import VLLMGeneration

from masksearch.cli.main import main
from masksearch.errors import MissingExtraError, TrainingError, UsageError
from masksearch.llm.checkpoint import load_checkpoint
from masksearch.runtime.files import read_appended
from masksearch.scoring.rewards import Ledger
from masksearch.train.lora import adapt
from masksearch.train.rl import decoders
from masksearch.train.rl import dynamic_sampling as rollout
from masksearch.train.rl import rollout as worker
from masksearch.train.rl import stage as rl
from masksearch.train.rl.decoders import check_server, merged_weights
from masksearch.train.rl.stage import run_rl
from masksearch.train.settings import RlSettings

needs_peft = pytest.mark.skipif(
    importlib.util.find_spec("peft") is None, reason="peft is not installed (extra `lora`)"
)


def drawn(trajectory):
    """Returns a reward that depends on the text alone; the model is too small to earn one."""
    value = sum(map(ord, "".join(turn.text for turn in trajectory.turns))) % 101 / 100
    return Ledger(
        f1=float(value > 0.5),
        answer=float(value > 0.5),
        format=0.0,
        overlong=0.0,
        weighted_answer=value,
        total=value,
    )


@pytest.fixture
def settings(tmp_path, tiny_checkpoint, monkeypatch):
    original = rollout.score_episode
    monkeypatch.setattr(
        rollout,
        "score_episode",
        lambda episode, s: rollout.Rollout(original(episode, s).episode, drawn(episode.trajectory)),
    )
    monkeypatch.setattr("masksearch.agent.loop.parse_turn", searching())
    tasks, index = write_questions(tmp_path / "tasks.jsonl"), write_index(tmp_path / "index")

    def make(**given):
        return RlSettings.model_validate(
            {
                "model": str(tiny_checkpoint), "tasks": tasks, "index": index, "steps": 2,
                "prompts_per_step": 2, "group_size": 2, "learning_rate": 1e-2, "micro_batch_size": 2,
                "dtype": "float32", "dynamic_sampling": False, "seed": 3, "trackers": ("none",),
                "agent": {"max_tokens": 12, "turn_tokens": 6, "max_length": 512},
                "reward": {"max_tokens": 24, "cache_tokens": 8}, **given,
            }
        )  # fmt: skip

    return make


def searching():
    """Lets two thirds of the turns count as searches: random text has none, and rollouts need tool text."""
    from masksearch.agent.protocol import Invalid, Search

    return lambda text, tools: Search("Ada Bob") if sum(map(ord, text)) % 3 else Invalid("nothing")


@pytest.fixture
def vllm(tmp_path, tiny_checkpoint, monkeypatch):
    """TRL with an engine, and with a server, that decode a tiny model; `events` has the calls in order."""
    events = []
    model, tokenizer = load_checkpoint(tiny_checkpoint, torch.float32)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()  # rollouts before the first transfer would sample uniformly
    tiny = Tiny(model, tokenizer)
    engine = TinyEngine(tiny)
    add = engine.add_request
    engine.add_request = lambda *given: events.append("request") or add(*given)
    script = completions(tiny)

    class Generation(VLLMGeneration):
        def _init_vllm(self):
            if self.mode == "server":
                self.vllm_client = SimpleNamespace(
                    get_server_info=lambda: events.append("info") or server_info(),
                    update_named_params=lambda metadata, params: engine._load(params),
                    reset_prefix_cache=lambda: events.append("reset"),
                )
            else:
                self.llm = SimpleNamespace(
                    llm_engine=engine, reset_prefix_cache=lambda: events.append("reset")
                )
            events.append(
                {
                    name: getattr(self, name)
                    for name in (
                        "mode",
                        "server_base_url",
                        "server_timeout",
                        "gpu_memory_utilization",
                        "max_model_length",
                    )
                }
            )

        def sync_weights(self):
            events.append("sync")
            super().sync_weights()

    monkeypatch.setattr("trl.trainer.grpo_trainer.VLLMGeneration", Generation)
    monkeypatch.setattr(decoders, "find_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(decoders, "wait", lambda: events.append("wait"))
    monkeypatch.setattr(decoders, "LocalPolicy", None)  # no copy of the model is made
    with (
        installed(tmp_path, monkeypatch),
        Endpoint(lambda body, number: events.append("request") or script(body, number)) as endpoint,
    ):
        yield SimpleNamespace(events=events, engine=engine, endpoint=endpoint)


def shortened(events):
    """Returns the events without repetitions; `wait` is the barrier after the weights are sent."""
    words = [word for word in events if isinstance(word, str) and word != "info"]
    return [word for place, word in enumerate(words) if place == 0 or words[place - 1] != word]


MODES = ("vllm-colocate", "vllm-server")


@pytest.mark.parametrize("mode", MODES)
def test_weights_come_before_each_steps_rollouts_and_these_are_trained_on(
    vllm, settings, tmp_path, tiny_checkpoint, monkeypatch, mode
):
    handed, batch_of = [], worker.to_batch
    monkeypatch.setattr(
        worker, "to_batch", lambda groups, pad: handed.append(groups) or batch_of(groups, pad)
    )
    summary = run_rl(
        settings(rollouts=mode, vllm={"url": vllm.endpoint.url}), tmp_path / "out", tmp_path / "work"
    )
    assert shortened(vllm.events) == ["sync", "reset", "wait", "request"] * 2
    assert summary["rollouts"] == mode
    given = next(entry for entry in vllm.events if isinstance(entry, dict))
    assert given == {
        "mode": mode.removeprefix("vllm-"), "server_base_url": vllm.endpoint.url.removesuffix("/v1"),
        "server_timeout": 300.0, "gpu_memory_utilization": 0.3, "max_model_length": 512,
    }  # fmt: skip
    rows = read_appended(tmp_path / "work" / "log.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    # The trainer computes the log-probabilities that vLLM sampled with: vLLM had the weights of this
    # step, and the tokens are those of the rollout.
    assert all(row["logprob_gap"] < 1e-4 for row in rows)
    assert all(row["ratio"] == pytest.approx(1.0, abs=1e-4) for row in rows)
    assert farthest(weights(tmp_path / "out"), weights(tiny_checkpoint)) > 1e-3
    records = [one.episode.record for groups in handed for group in groups for one in group.rollouts]
    assert len({tuple(record.ids) for record in records}) > 4
    assert any(0 in record.mask for record in records), (
        "the rollouts contain tool text, which carries no loss"
    )
    assert all(len(record.ids) == len(record.mask) == len(record.logprobs) for record in records)


@pytest.mark.slow
def test_measuring_and_judging_the_last_weights_goes_by_the_same_weights(vllm, settings, tmp_path):
    heldout = tmp_path / "held.jsonl"
    heldout.write_text('{"id": "h", "question": "Who is Hal?", "answers": ["Hal"]}\n', encoding="utf-8")
    given = {
        "rollouts": "vllm-colocate",
        "heldout": str(heldout),
        "take": "best",
        "curriculum": {"measure_steps": 1},
        "steps": 3,
    }
    loaded = []
    load = vllm.engine._load
    executor = vllm.engine.model_executor.driver_worker.model_runner.model
    executor.load_weights = lambda named: load(named) or loaded.append(1)
    run_rl(settings(**given), tmp_path / "out", tmp_path / "work")
    # Each step loads its weights once, for the measurement and the rollouts. At the end the weights of
    # the last step are loaded, with which no step has rolled out.
    assert shortened(vllm.events) == ["sync", "reset", "wait", "request"] * 4
    assert len(loaded) == 4 * len(list(vllm.engine.tiny.model.parameters()))


@pytest.mark.slow
def test_a_run_that_was_killed_brings_the_weights_of_its_state(vllm, settings, tmp_path, monkeypatch):
    original = rl.Recorder.on_save

    def killing(self, args, state, control, **given):
        original(self, args, state, control, **given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(rl.Recorder, "on_save", killing)
        with pytest.raises(Killed):
            run_rl(settings(rollouts="vllm-colocate"), tmp_path / "out", tmp_path / "work")
    with torch.no_grad():
        for weight in vllm.engine.tiny.model.parameters():
            weight.zero_()
    run_rl(settings(rollouts="vllm-colocate"), tmp_path / "out", tmp_path / "work")
    assert [row["logprob_gap"] < 1e-4 for row in read_appended(tmp_path / "work" / "log.jsonl")] == [
        True,
        True,
    ]


@needs_peft
def test_with_lora_the_engine_gets_merged_weights(vllm, settings, tmp_path):
    run_rl(settings(rollouts="vllm-colocate", lora=True, lora_rank=4), tmp_path / "out", tmp_path / "work")
    rows = read_appended(tmp_path / "work" / "log.jsonl")
    assert all(row["logprob_gap"] < 1e-4 for row in rows)
    assert rows[-1]["grad_norm"] > 0


@needs_peft
def test_merged_weights_have_plain_names_and_shared_ones_come_once(tiny_model):
    tiny_model.config.tie_word_embeddings = True
    tiny_model.tie_weights()
    plain = copy.deepcopy(tiny_model)
    adapt(tiny_model, SimpleNamespace(lora=True, lora_rank=4, lora_alpha=8.0, frozen_layers=0, seed=1))
    with torch.no_grad():
        for name, weight in tiny_model.named_parameters():
            if ".lora_" in name:
                weight.normal_()
    found = dict(merged_weights(tiny_model))
    assert found.keys() == dict(plain.named_parameters()).keys()
    assert "lm_head.weight" not in found
    assert not any(weight.requires_grad for weight in found.values())
    plain.load_state_dict(found, strict=False)
    ids = torch.arange(5, 25)[None]
    assert torch.allclose(plain(ids).logits, tiny_model(ids).logits, atol=1e-4)


# -- refusals ----------------------------------------------------------------------------------------------


def test_what_is_missing_is_said_before_a_model_is_loaded(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(rl, "load_checkpoint", None)
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(
        MissingExtraError,
        match=r"^rollouts = vllm-colocate needs the package 'vllm'; "
        r"install it with: pip install 'masksearch\[vllm\]'\.$",
    ):
        run_rl(settings(rollouts="vllm-colocate"), tmp_path / "out", tmp_path / "work")
    monkeypatch.setattr(decoders, "find_device", lambda: torch.device("cpu"))
    with pytest.raises(
        UsageError,
        match=r"rollouts is vllm-server, but .* CUDA device only, "
        r"and this machine has none; leave rollouts at slots",
    ):
        run_rl(settings(rollouts="vllm-server"), tmp_path / "out", tmp_path / "work")


def test_flags_and_addresses(tmp_path, capsys):
    command = ["rl", "--model", "m", "--tasks", "t", "--index", "i", "-o", str(tmp_path / "out")]
    assert main([*command, "--rollouts", "vllm"]) == 2
    assert "slots" in capsys.readouterr().err
    assert main([*command, "--rollouts", "vllm-server", "--vllm.url", "localhost:8000"]) == 2
    assert "give the address of a vLLM server, such as http://127.0.0.1:8000" in capsys.readouterr().err
    made = RlSettings.model_validate(
        {"model": "m", "tasks": "t", "index": "i", "vllm": {"url": "http://host:8000/v1/"}}
    )
    assert made.vllm.url == "http://host:8000"


@pytest.mark.parametrize(
    ("info", "given", "error"),
    [
        ({}, {}, ""),
        ({"logprobs_mode": "raw_logprobs"}, {}, ""),
        (
            {"logprobs_mode": "raw_logprobs"},
            {"temperature": 0.8},
            "returns raw_logprobs, which at temperature 0.8 .*--logprobs-mode processed_logprobs",
        ),
        ({"logprobs_mode": "processed_logits"}, {}, "returns processed_logits"),
        (
            {"max_model_len": 500},
            {},
            r"has room for 500 tokens, and agent\.max_length is 512; start it with a larger --max-model-len",
        ),
    ],
)
def test_a_server_with_options_that_do_not_fit(settings, info, given, error):
    model = server_info(**info)["model_config"]
    if not error:
        check_server(model, settings(**given))
        return
    with pytest.raises(TrainingError, match=error):
        check_server(model, settings(**given))


def test_what_trl_says_of_a_server_is_a_sentence(vllm, settings, tmp_path, monkeypatch):
    class Away(VLLMGeneration):
        def _init_vllm(self):
            raise ConnectionError("The vLLM server can't be reached at http://127.0.0.1:1 after 1 seconds.")

    monkeypatch.setattr("trl.trainer.grpo_trainer.VLLMGeneration", Away)
    with pytest.raises(TrainingError, match=r"can't be reached at .* See docs/scale\.md for how to"):
        run_rl(settings(rollouts="vllm-server"), tmp_path / "out", tmp_path / "work")


@pytest.mark.slow
def test_rollouts_that_vllm_broke_off_are_not_learnt_from(vllm, settings, tmp_path, monkeypatch):
    add, numbers = vllm.engine.add_request, iter(range(1000))

    def refuse(share):
        def add_request(*given):
            if next(numbers) % share == 0:
                raise ValueError("no room")
            return add(*given)

        return add_request

    vllm.engine.add_request = refuse(5)
    run_rl(
        settings(rollouts="vllm-colocate", prompts_per_step=4, micro_batch_size=8, steps=1),
        tmp_path / "some" / "out",
        tmp_path / "some" / "work",
    )
    rows = read_appended(tmp_path / "some" / "work" / "rollouts.jsonl")
    failed = {row["group"] for row in rows if row["status"] == "model_failed"}
    assert failed
    assert all(row["fate"] != "trained" for row in rows if row["group"] in failed)
    vllm.engine.add_request = refuse(1)
    with pytest.raises(
        TrainingError,
        match=r"The model failed in 4 of 4 rollouts: The vLLM engine refused a request \(no room\)\. "
        r"Repair this and start the same command again\.",
    ):
        run_rl(settings(rollouts="vllm-colocate"), tmp_path / "all" / "out", tmp_path / "all" / "work")
    heldout = tmp_path / "held.jsonl"
    heldout.write_text('{"id": "h", "question": "Who is Hal?", "answers": ["Hal"]}\n', encoding="utf-8")
    with pytest.raises(TrainingError, match="The held-out tasks cannot be measured: The vLLM engine refused"):
        run_rl(
            settings(rollouts="vllm-colocate", heldout=str(heldout)),
            tmp_path / "held" / "out",
            tmp_path / "held" / "work",
        )


def test_a_lack_of_memory_beside_vllm_names_its_share(settings):
    assert "vllm.memory_share (now 0.3)" in rl.memory_remedy(settings(rollouts="vllm-colocate"), "rollout")
