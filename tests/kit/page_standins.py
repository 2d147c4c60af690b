"""What the test of the pages replaces so that a page runs in seconds and without a network.

| the page has | the test has |
| --- | --- |
| SmolLM2-135M (`masksearch model`, `model` of a recipe) | a tiny random Llama |
| `data/` | its first 1,000 passages and 20 questions of each set, with their gold passages |
| full training and evaluation | SMALLER: the same commands with fewer steps, questions and tokens |
| `masksearch run demo`, `make demo` (RUN) | the same with SMALLER; the demo once, then a copy of its run |
| other recipes | `masksearch run RECIPE --dry-run` |
| spaCy's pipelines | the same; in a process, a text that is parsed again has its result of before |
| a model at 127.0.0.1:8001 | an endpoint on loopback that plays every role from a script |
| `masksearch serve INDEX` at 127.0.0.1:8000 | the same server at a free port |
| web:NAME | its API on loopback, with a made-up key |
| `accelerate launch ... -m masksearch` | the configuration file is read, the command runs in one process |
| `--rollouts vllm-server`, `vllm-colocate` | the arguments are parsed |
| make, pip, benchmarks, vllm, verl, inspect | targets, extras, files and parameters exist (page_runner.py) |
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from kit.endpoint import Reply, say, verdict
from kit.places import DATA
from kit.remote_fixtures import FOUND
from kit.remote_servers import VARIABLES, Received
from kit.remote_servers import Reply as WebReply
from kit.roles import role_of

from masksearch.ramp.spans import entities

MODEL, SEARCH = "http://127.0.0.1:8001/v1", "http://127.0.0.1:8000"
"""URLs of a model and of a search server in the pages."""
_AGENT = {"max_tokens": 24, "turn_tokens": 12, "passage_words": 12, "max_length": 2048}
SMALLER: dict[str, dict[str, Any]] = {
    "mask": {},
    # The scripted roles cite whatever they are shown.
    "synthesize": {"agents": {"grounded": False}},
    "sft": {"max_steps": 2, "batch_size": 2, "max_length": 4096},
    "rl": {
        "steps": 2,
        "prompts_per_step": 2,
        "group_size": 2,
        "micro_batch_size": 2,
        "max_refills": 0,
        "agent": _AGENT,
    },
    "eval": {"limit": 3, "agent": _AGENT},
    "evolve": {
        "rounds": 1,
        "tasks_per_round": 2,
        "samples": 2,
        "heldout_limit": 2,
        "sft": {"max_steps": 2, "batch_size": 2, "max_length": 4096},
        "agent": _AGENT,
    },
}
"""Settings of a stage, by its kind."""
RUN = ("demo", "my-corpus")
"""Recipes that the test runs."""
FEWER_TASKS = 8


def flags(kind: str) -> list[str]:
    """Returns SMALLER as flags of a command."""
    made = []
    for name, value in SMALLER.get(kind, {}).items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for key, number in inner:
            made += ["--set", f"{name}.{key}".rstrip(".") + f"={str(number).lower()}"]
    return made


def overrides(stages: Sequence[Any]) -> list[str]:
    """Returns SMALLER as `--set` options for the stages of a recipe."""
    made = []
    for stage in stages:
        changes = dict(SMALLER.get(stage.spec.kind, {}))
        if stage.spec.kind == "mask":
            changes["limit"] = FEWER_TASKS
        if stage.spec.kind in ("sft", "rl"):
            changes["frozen_layers"] = 0  # the tiny model has two layers
        for name, value in changes.items():
            inner = value.items() if isinstance(value, dict) else [("", value)]
            for key, number in inner:
                made += ["--set", f"stages.{stage.name}.{name}.{key}".rstrip(".") + f"={str(number).lower()}"]
    return made


DOCUMENTS, QUESTIONS = 1000, 20
"""Number of passages of `data/` that the test has, from the first on, and of questions."""


def small_data(folder: Path) -> Path:
    """Writes `data/` with fewer questions and passages, their gold passages included; returns the folder."""
    for suite in ("hotpotqa", "2wikimultihopqa", "musique"):
        (folder / suite).mkdir(parents=True)
        gold: set[str] = set()
        for name in ("questions", "train_questions"):
            rows = list(itertools.islice(_lines(suite, name), QUESTIONS))
            gold.update(*(json.loads(row)["supporting_passages"] for row in rows))
            _write(folder / suite / f"{name}.jsonl.gz", rows)
        rows = [
            row
            for number, row in enumerate(_lines(suite, "corpus"))
            if number < DOCUMENTS or json.loads(row)["id"] in gold
        ]
        _write(folder / suite / "corpus.jsonl.gz", rows)
    return folder


def _lines(suite: str, name: str) -> Iterator[str]:
    with gzip.open(DATA / suite / f"{name}.jsonl.gz", "rt", encoding="utf-8") as stream:
        yield from stream


def _write(path: Path, rows: Sequence[str]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as stream:
        stream.writelines(rows)


def any_role(body: dict[str, Any], number: int) -> Reply:
    """Plays a judge, a planner, a rewriter, an observer, an extractor of spans or an agent."""
    system, prompt = body["messages"][0]["content"], str(body["messages"][-1]["content"])
    role = role_of(body)
    form = body.get("response_format", {}).get("type")
    if role in ("planner", "rewriter", "observer"):
        words = " ".join(re.findall(r"[A-Z]\w{3,}", prompt)[:4]) or "history"
        replies = {
            "planner": {"steps": ["find it"], "thought": "I search for it.", "query": words},
            "rewriter": {"queries": [words, f"{words} history", f"about {words}"]},
            "observer": {
                "thought": "[1] gives it.",
                "evidence": [1],
                "action": "answer",
                "query": "",
                "answer": words,
            },
        }
        return say(json.dumps(replies[role]))
    if "spans" in system.lower() or "spans" in prompt.lower():
        found = re.findall(r"[A-Z]\w{3,}", prompt)[:8]
        return say(json.dumps({"spans": [{"text": word, "category": "OTHER"} for word in found]}))
    if form in ("json_schema", "json_object"):
        return verdict("correct")
    return say("<think>I know it.</think>\n<answer>Paris</answer>")


def any_page(request: Received) -> WebReply:
    """Answers as Brave's API does."""
    return WebReply(FOUND["brave"])


class Remembering:
    """A spaCy pipeline that remembers its results. The pages mask the same passages again and again."""

    def __init__(self, nlp: Any) -> None:
        self.nlp, self.lang, self.results = nlp, nlp.lang, {}  # type: ignore[var-annotated]

    def pipe(self, texts: Sequence[str], batch_size: int) -> Iterator[Any]:
        new = [text for text in dict.fromkeys(texts) if text not in self.results]
        self.results.update(zip(new, self.nlp.pipe(new, batch_size=batch_size), strict=True))
        return iter([self.results[text] for text in texts])


def remembering(load: Callable[[str], Any]) -> Callable[[str], Any]:
    return cache(lambda name: Remembering(load(name)))


PIPELINES = {name: remembering(getattr(entities, name)) for name in ("_installed", "_whole")}


def remembered_pipelines() -> Any:
    """A context in which a pipeline is not run again on the same text."""
    return mock.patch.multiple(entities, **PIPELINES)


KEYS = dict.fromkeys((*VARIABLES.values(), "OPENAI_API_KEY"), "a-made-up-key")
"""Environment variables that the pages' commands read."""
