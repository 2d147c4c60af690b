"""What the tests of self-evolution share: trajectories, tasks whose answer is always the same, an index, settings for a tiny model."""

from __future__ import annotations

import random

from masksearch.evolve.settings import EvolveSettings
from masksearch.runtime.files import write_json_lines
from masksearch.search import build
from masksearch.search.settings import IndexSettings
from masksearch.types import MASK, MaskedTask, Passage, Question, Trajectory, Turn, Usage, task_json

WORDS = ["red", "sea", "old", "map", "ice", "sun", "oak", "fig"]


def question(number):
    """Every question has the same answer, so that a model of two layers can know it."""
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
    told="Iris: told by the tool.",
    **fields,
):
    turns = []
    for query in queries:
        turns += [Turn(role="model", text=f"<think>{thought}</think>\n<search>{query}</search>")]
        turns += [Turn(role="tool", text=f"\n<information>\n[1] {told}\n</information>\n")]
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
    """Thoughts at random, so that a model that has learnt from them varies too."""
    rng = random.Random(number)
    asked = rng.choices(WORDS, k=2)
    # As the index below would answer: what the model reads in a rollout is what it has been taught with.
    told = f"{asked[0]}: A {asked[0]} is told of."
    return trajectory(
        question(number),
        thought=" ".join(rng.choices(WORDS, k=2)),
        queries=(" ".join(asked),),
        answer="sea",
        told=told,
    )


def write_inputs(folder, tasks=12, seeds=24, heldout=6):
    """seed.jsonl, tasks.jsonl, heldout.jsonl and an index; their ids do not overlap."""
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
    }
    return EvolveSettings.model_validate({**values, "pattern_share": 1.0, "near_copies": 0.9, **given})


def make_taught_checkpoint(folder):
    """A tiny model that has learnt the form, and the one answer: correct in some of its samples."""
    from kit.tiny import TEXTS, make_tiny_model, make_tiny_tokenizer

    from masksearch.train.settings import SftSettings
    from masksearch.train.sft import run_sft

    tokenizer = make_tiny_tokenizer([*TEXTS, f"{' '.join(WORDS)} Who is number told of? look for it is so"])
    make_tiny_model(tokenizer, spread=0.05).save_pretrained(folder / "raw")
    tokenizer.save_pretrained(folder / "raw")
    write_json_lines(
        folder / "lessons.jsonl", (seed_trajectory(5000 + number).to_json() for number in range(600))
    )
    settings = SftSettings(
        model=str(folder / "raw"),
        trajectories=(str(folder / "lessons.jsonl"),),
        max_steps=500,
        learning_rate=1e-2,
        dtype="float32",
    )
    run_sft(settings.model_copy(update={"save_steps": 1000}), folder / "taught", folder / "work")
    return folder / "taught"
