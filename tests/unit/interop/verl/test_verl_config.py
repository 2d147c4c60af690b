"""verl's configuration, tested without verl: our settings under verl's names."""

import json

import pytest

from masksearch.cli.main import main
from masksearch.errors import UsageError
from masksearch.interop.verl.config import agent_loops, trainer_config
from masksearch.train.settings import RlSettings


def settings(**given):
    return RlSettings.model_validate(
        {
            "model": "m",
            "tasks": "t",
            "index": "http://127.0.0.1:8000",
            "prompts_per_step": 4,
            "group_size": 8,
            **given,
        }
    )


def test_dapo_as_in_our_own_trainer():
    config = trainer_config(settings(clip_high=0.3, lora=True), "a", "b", "loops", gpus=2, nodes=3)
    actor, rollout = config["actor_rollout_ref"]["actor"], config["actor_rollout_ref"]["rollout"]
    assert (
        actor["clip_ratio_low"],
        actor["clip_ratio_high"],
        actor["loss_agg_mode"],
        actor["use_kl_loss"],
    ) == (0.2, 0.3, "token-mean", False)
    assert (
        rollout["n"],
        config["data"]["train_batch_size"],
        config["trainer"]["n_gpus_per_node"],
        config["trainer"]["nnodes"],
    ) == (8, 4, 2, 3)
    assert config["algorithm"]["filter_groups"] == {"enable": True, "metric": "solved"}
    assert config["actor_rollout_ref"]["model"] == {
        "path": "m",
        "enable_gradient_checkpointing": False,
        "lora_rank": 16,
        "lora_alpha": 32.0,
    }
    with pytest.raises(UsageError, match="leaves no room"):
        trainer_config(settings(), "a", "b", "loops", gpus=1, prompt_length=1024)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"algorithm": "rloo", "take": "best"}, "verl would ignore algorithm, take; leave them"),
        ({"curriculum": {"solve_rate": True}}, "verl would ignore curriculum"),
        ({"max_refills": 9, "dtype": "float32"}, "verl would ignore max_refills, dtype"),
        ({"reward": {"answer": "judge", "judge": {"url": "http://x", "model": "m"}}}, "cannot ask a judge"),
        ({"reward": {"search_credit": 0.5}}, r"leave reward\.search_credit at 0"),
    ],
)
def test_what_verl_would_not_heed_is_refused(given, message):
    with pytest.raises(UsageError, match=message):
        trainer_config(settings(**given), "a", "b", "loops", gpus=1)


def test_the_command_writes_both_files(tmp_path, capsys):
    (tmp_path / "t.jsonl").write_text("")
    flags = [
        "--model",
        str(tmp_path),
        "--tasks",
        str(tmp_path / "t.jsonl"),
        "--index",
        "http://127.0.0.1:8000",
        "--agent.top-k",
        "3",
    ]
    assert (
        main(["verl", *flags, "--train", "a.parquet", "--val", "b.parquet", "-o", str(tmp_path / "out")]) == 0
    )
    assert "--config-name masksearch" in capsys.readouterr().err
    (loop,) = json.loads((tmp_path / "out" / "agent_loop.yaml").read_text())
    assert loop["name"] == "masksearch"
    assert json.loads(loop["agent"])["top_k"] == 3
    assert json.loads((tmp_path / "out" / "masksearch.yaml").read_text())["data"]["train_files"].endswith(
        "/a.parquet"
    )
    assert loop == agent_loops(settings(index=loop["index"], agent={"top_k": 3}))[0]
