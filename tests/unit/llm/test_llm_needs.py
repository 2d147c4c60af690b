"""Needs of models: trial requests to endpoints, and the sizes of models."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.endpoint import Answer, Endpoint, cut_off, fail, late, say

from masksearch.llm import needs
from masksearch.llm.needs import PACKAGED_PARAMETERS, count_parameters, human_count
from masksearch.runtime.needs import Fault


def tried(*script: object, model: str = "m", models: tuple[str, ...] = ("m",)) -> list[Fault]:
    with Endpoint(list(script), models=models, scripted_trials=True) as endpoint:  # type: ignore[arg-type]
        found = list(needs.Endpoint(endpoint.url, model, "llm").faults())
        assert len(endpoint.trials) >= 1
    return found


def test_an_endpoint_that_answers() -> None:
    assert tried(say("OK")) == []
    assert tried(say(None, "length")) == []


def test_a_name_that_is_not_listed_but_answers_is_good() -> None:
    # Servers know aliases that they do not list, and some list no model at all.
    assert tried(say("OK"), model="alias") == []
    assert tried(say("OK"), models=()) == []


@pytest.mark.parametrize(
    ("reply", "model", "models", "told", "warning"),
    [
        (
            fail(404, "no model"),
            "n",
            ("m", "other"),
            "does not know the model 'n'; it serves m, other.",
            False,
        ),
        (fail(404, "no model"), "othr", ("m", "other"), "did you mean 'other'?", False),
        (fail(500, "no model"), "n", ("m",), "does not know the model 'n'", False),
        (
            fail(404, "no model"),
            "n",
            (),
            "answered 404 for model 'n'; check the URL, the name and the key",
            False,
        ),
        (
            fail(401, "key"),
            "m",
            ("m",),
            "refuses the key (401); set the environment variable OPENAI_API_KEY.",
            False,
        ),
        (fail(403, "key"), "n", (), "refuses the key (403)", False),
        (fail(429, "slow"), "m", ("m",), "answered 429 to a trial request", True),
        (fail(503, "busy"), "m", ("m",), "answered 503 to a trial request", True),
        (fail(400, "too short"), "m", ("m",), "answered 400 to a trial request", True),
        (Answer("<html>"), "m", ("m",), "gave no usable answer", False),
        (cut_off(), "m", ("m",), "cannot be reached", False),
    ],
)
def test_an_endpoint_that_refuses(
    reply: object, model: str, models: tuple[str, ...], told: str, warning: bool
) -> None:
    (found,) = tried(reply, model=model, models=models)
    assert told in found.message
    assert found.warning == warning


def test_a_slow_endpoint_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "TRIAL_TIMEOUT", 0.2)
    (found,) = tried(late())
    assert found.warning
    assert "did not answer a trial request within 0.2 seconds" in found.message


def test_the_key_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with Endpoint([fail(401)], scripted_trials=True) as endpoint:
        (found,) = needs.Endpoint(
            endpoint.url, "m", "judge.url", ("JUDGE_API_KEY", "OPENAI_API_KEY")
        ).faults()
        assert endpoint.asked_with("secret")
    assert "JUDGE_API_KEY or OPENAI_API_KEY" in found.message
    assert "secret" not in found.message


def test_parameters_are_counted_without_loading_the_model(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_checkpoint)
    stored = {id(weight): weight.numel() for weight in model.state_dict(keep_vars=True).values()}
    assert count_parameters(str(tiny_checkpoint), {}) == sum(stored.values())
    (tmp_path / "x.safetensors").write_bytes(b"damaged")
    assert count_parameters(str(tmp_path), {}) == 0


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("smollm2-135m", PACKAGED_PARAMETERS),
        ("Qwen/Qwen2.5-7B-Instruct", 7e9),
        ("Qwen/Qwen2.5-0.5B", 0.5e9),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 135e6),
        ("meta-llama/Llama-3.2-1B", 1e9),
        ("owner/model", 0),
        ("owner/4bit-model", 0),
        ("runs/x/stages/sft/checkpoint", 12),
    ],
)
def test_parameters_from_names(name: str, parameters: float) -> None:
    assert count_parameters(name, {"runs/x/stages/sft/checkpoint": 12}) == parameters


def test_human_counts() -> None:
    assert [human_count(value) for value in (134_515_008, 7.62e9)] == ["135 million", "7.6 billion"]
