"""Helpers of the self-evolution tests: trajectories, tasks with a constant answer, an index, settings of
a tiny model."""

from __future__ import annotations

import json
import random
from pathlib import Path

from kit.held import hold_at

from masksearch.evolve.settings import EvolveSettings
from masksearch.runtime.files import write_json_lines
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.types import MASK, MaskedTask, Passage, Question, Trajectory, Turn, Usage, task_json

WORDS = ["red", "sea", "old", "map", "ice", "sun", "oak", "fig"]


def question(number):
    """Builds a question. All questions have the same answer, so that a model of two layers can learn it."""
    return Question(id=f"q{number}", question=f"Who is number {number}?", answers=("sea",))


def masked(number, document="d", title="Iris"):
    text = f"The {title} has {MASK} species in number {number}."
    return MaskedTask(
        id=f"m{number}",
        doc_id=document,
        title=title,
        text=text,
        answers=("310",),
        masks=1,
        original=text.replace(MASK, "310"),
    )


def trajectory(
    task,
    thought="look for it",
    queries=("Iris species",),
    answer="310",
    name="",
    information="Iris: told by the tool.",
    **fields,
):
    turns = []
    for query in queries:
        turns += [Turn(role="model", text=f"<think>{thought}</think>\n<search>{query}</search>")]
        turns += [Turn(role="tool", text=f"\n<information>\n[1] {information}\n</information>\n")]
    turns.append(Turn(role="model", text=f"<think>it is so</think>\n<answer>{answer}</answer>"))
    base = {
        "id": name or task.id,
        "task": task_json(task),
        "turns": tuple(turns),
        "answer": answer,
        "status": "answered",
    }
    return Trajectory(
        **{**base, "scores": {"f1": 1.0}, "usage": Usage(searches=len(queries), model_tokens=9), **fields}
    )


def seed_trajectory(number):
    """Builds a seed trajectory with random thoughts, so that a model trained on them also varies."""
    rng = random.Random(number)
    words = rng.choices(WORDS, k=2)
    # The same text as in the index below, so that rollouts show the model the information it was trained on.
    information = f"{words[0]}: A {words[0]} is told of."
    return trajectory(
        question(number),
        thought=" ".join(rng.choices(WORDS, k=2)),
        queries=(" ".join(words),),
        answer="sea",
        information=information,
    )


def write_inputs(folder, tasks=12, seeds=24, heldout=6):
    """Writes seed.jsonl, tasks.jsonl, heldout.jsonl and an index; the ids do not overlap."""
    write_json_lines(
        folder / "seed.jsonl", (seed_trajectory(1000 + number).to_json() for number in range(seeds))
    )
    write_json_lines(folder / "tasks.jsonl", (question(number).to_json() for number in range(tasks)))
    write_json_lines(
        folder / "heldout.jsonl", (question(500 + number).to_json() for number in range(heldout))
    )
    build(
        [Passage(id=word, doc_id=word, title=word, text=f"A {word} is told of.") for word in WORDS],
        folder / "index",
        IndexSettings(corpus="x"),
    )


def evolve_settings(folder, model="m", **given):
    sft = {"learning_rate": 1e-4, "max_steps": 6, "batch_size": 4, "save_steps": 2, **given.pop("sft", {})}
    paths = {
        "trajectories": (str(folder / "seed.jsonl"),),
        "tasks": (str(folder / "tasks.jsonl"),),
        "index": str(folder / "index"),
    }
    agent = {"max_tokens": 60, "turn_tokens": 30, "passage_words": 6, "top_k": 1, "max_length": 512}
    values = {
        "model": str(model),
        **paths,
        "rounds": 2,
        "tasks_per_round": 4,
        "samples": 3,
        "temperature": 0.5,
        "sft": sft,
        "agent": agent,
        "chunk": 2,
        "dtype": "float32",
        "grounded": False,
    }
    return EvolveSettings.model_validate({**values, "pattern_share": 1.0, "near_copies": 0.9, **given})


def make_taught_checkpoint(folder):
    """Trains a tiny model on the form and the constant answer; some of its samples are correct."""
    from kit.tiny import TEXTS, make_tiny_model, make_tiny_tokenizer

    from masksearch.train.settings import SftSettings
    from masksearch.train.sft.stage import run_sft

    tokenizer = make_tiny_tokenizer([*TEXTS, f"{' '.join(WORDS)} Who is number told of? look for it is so"])
    make_tiny_model(tokenizer, spread=0.05).save_pretrained(folder / "raw")
    tokenizer.save_pretrained(folder / "raw")
    # Questions of one length would teach positions instead of form, and fail on questions of another.
    rng = random.Random(5)
    numbers = [rng.randrange(10 ** rng.randint(1, 4)) for _ in range(600)]
    write_json_lines(folder / "lessons.jsonl", (seed_trajectory(number).to_json() for number in numbers))
    settings = SftSettings(
        model=str(folder / "raw"),
        trajectories=(str(folder / "lessons.jsonl"),),
        max_steps=300,
        learning_rate=1e-2,
        dtype="float32",
    )
    run_sft(settings.model_copy(update={"save_steps": 1000}), folder / "taught", folder / "work")
    return folder / "taught"


def held_in_the_second_round(arguments):
    """Runs `evolve` with settings as JSON, output and work folder; it stands still after the second round's
    first saved state."""
    from masksearch.evolve.stage import run_evolve

    hold_at("round-0002")
    run_evolve(EvolveSettings.model_validate(json.loads(arguments[0])), *map(Path, arguments[1:]))
    return 0
