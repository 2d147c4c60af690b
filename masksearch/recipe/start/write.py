"""Writes the recipe of a survey."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from masksearch.recipe.start.sample import Tried
from masksearch.recipe.start.settings import InitSettings
from masksearch.recipe.start.survey import Survey

MAX_WORDS = 60
"""Longest passage in words. Short passages are cheap to train on, and hold one or two facts."""
HELDOUT = 100
CHAINED_SHARE = 0.6
"""Share of the trajectories that are chained questions, where the documents allow them."""
SPARE = 1.3
"""Tasks for each trajectory, since the teacher does not solve all of them."""


@dataclass(frozen=True)
class Plan:
    """Sizes of the recipe."""

    chained: bool
    masked: int
    """Number of masked passages."""
    questions: int
    """Number of chained questions."""
    heldout: int


def plan(found: Survey, tried: Tried, trajectories: int) -> Plan:
    """Chooses the sizes: as many trajectories as the time allows, and not more than the documents give."""
    questions = int(CHAINED_SHARE * trajectories) if tried.chained else 0
    masked = trajectories - questions
    return Plan(
        chained=tried.chained,
        masked=masked,
        questions=questions,
        heldout=min(HELDOUT, max(1, found.heldout) * 2),
    )


def recipe_text(name: str, corpus: str, found: Survey, sizes: Plan, settings: InitSettings) -> str:
    """Returns the recipe as TOML."""
    language = settings.language or found.language
    head = f"""\
# Trains a model to search {name}, without labels. Written by `masksearch init`; change what you like.
#
# {found.documents:,} documents, {found.words:,} words, most of them in '{language}'. A fifth of the documents
# is held out, and measures what was learnt.

name = {json.dumps(name)}
description = "Learns to search {name}."
corpus = {json.dumps(corpus, ensure_ascii=False)}
model = {json.dumps(settings.model)}
seed = {settings.seed}

[agent]
top_k = 2
passage_words = {MAX_WORDS}
max_searches = 5
max_tokens = 512
max_length = 1536
"""
    data = _data(sizes, language, settings.fields)
    return "\n".join([head, data, _training(sizes), _measures(sizes, settings.questions), _REPORT])


def _data(sizes: Plan, language: str, fields: Sequence[str]) -> str:
    named = f"\nfields = {json.dumps(list(fields), ensure_ascii=False)}" if fields else ""
    text = f"""\
[stages.base]
kind = "model"

[stages.index]
kind = "index"
max_words = {MAX_WORDS}
language = "{language}"{named}

[stages.heldout]
kind = "mask"
index = "index"
split = "heldout"
masks = "1"
limit = {sizes.heldout}
language = "{language}"

[stages.masks]
kind = "mask"
index = "index"
split = "train"
masks = "1-2"
limit = {int(sizes.masked * SPARE)}
exclude = ["heldout"]
language = "{language}"

[stages.masks-taught]
kind = "synthesize"
tasks = "masks"
index = "index"
oracle = "first"
limit = {sizes.masked}
"""
    if not sizes.chained:
        return text
    return f"""{text}
# Questions that take one to four searches, joined from facts of several documents.

[stages.chains]
kind = "mask"
index = "index"
split = "train"
hops = "1-4"
form = "question"
limit = {int(sizes.questions * SPARE)}
retrieve_k = 2
workers = 2
exclude = ["heldout"]

[stages.chains-taught]
kind = "synthesize"
tasks = "chains"
index = "index"
limit = {sizes.questions}
"""


def _training(sizes: Plan) -> str:
    sources = ["masks-taught", "chains-taught"] if sizes.chained else ["masks-taught"]
    return f"""\
[stages.sft]
kind = "sft"
model = "base"
trajectories = {json.dumps(sources)}
frozen_layers = 15
learning_rate = 6e-4
save_steps = 20
"""


def _measures(sizes: Plan, questions: str) -> str:
    trained_on = '["masks", "chains"]' if sizes.chained else '["masks"]'
    parts = []
    for name, model in (("before", "base"), ("after", "sft")):
        parts.append(f"""\
[stages.{name}]
kind = "eval"
suite = "held-out passages"
questions = "heldout"
model = "{model}"
index = "index"
not_trained_on = {trained_on}
""")
        if questions:
            parts.append(f"""\
[stages.{name}-questions]
kind = "eval"
suite = "your questions"
questions = {json.dumps(questions, ensure_ascii=False)}
model = "{model}"
index = "index"
""")
    results = ["before", "after"] + (["before-questions", "after-questions"] if questions else [])
    return "\n".join([*parts, f'[stages.comparison]\nkind = "compare"\nresults = {json.dumps(results)}\n'])


_REPORT = """\
[stages.report]
kind = "report"
title = "Learning to search your documents"
"""
