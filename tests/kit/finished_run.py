"""Writes folders of finished runs: evaluations with trajectories of chosen outcomes, comparison, run.json."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from masksearch.evaluation.compare.stage import run_compare
from masksearch.evaluation.results import save, summarise
from masksearch.evaluation.rows import row
from masksearch.evaluation.settings import CompareSettings, EvalSettings
from masksearch.scoring.metrics import score_task
from masksearch.types import MaskedTask, Question, Task, Trajectory, Turn, Usage, task_json

INVALID = "I am not sure what the missing words are, but here is a poem about the text instead."
PLACES = (
    "Lisbon", "Oslo", "Quito", "Nairobi", "Perth", "Kyoto", "Boston", "Geneva", "Havana", "Riga",
    "Tunis", "Lima", "Turin", "Porto", "Busan", "Cardiff", "Dakar", "Essen", "Fargo", "Ghent",
)  # fmt: skip


def ramp_tasks(count: int, masks: int = 1, language: str = "") -> list[MaskedTask]:
    """Returns RAMP tasks with the ids r0, r1, ... and a different place in each mask."""
    tasks = []
    for number in range(count):
        golds = [PLACES[(number + offset) % len(PLACES)] for offset in range(masks)]
        parts = [f"the {'second ' * place}bridge of the town stands in {{}}" for place in range(masks)]
        text = f"The painter number {number} was born in a small house by the river, and " + ", ".join(parts)
        tasks.append(
            MaskedTask(
                id=f"r{number}",
                doc_id=f"d{number}",
                title=f"Painter {number}",
                text=text.format(*["[mask]"] * masks) + ".",
                answers=tuple(golds),
                masks=masks,
                original=text.format(*golds) + ".",
                language=language,
            )
        )
    return tasks


def questions(count: int) -> list[Question]:
    """Returns questions with the ids q0, q1, ..."""
    return [
        Question(
            id=f"q{number}",
            question=f"In which town stands the bridge that painter number {number} painted first?",
            answers=(PLACES[number % len(PLACES)],),
            supporting_titles=(f"Painter {number}",),
        )
        for number in range(count)
    ]


def right_trajectory(task: Task, grounded: bool = True, searches: int = 1) -> Trajectory:
    """Returns a trajectory that searches and answers right; `grounded`: the results contain the answer."""
    golds = task.answers if isinstance(task, MaskedTask) else task.answers[:1]
    shown = ", ".join(golds) if grounded else "a town"
    turns = []
    for number in range(searches):
        query = f"painter bridge town {number}"
        turns += [
            Turn(
                role="model",
                text=f"<think>The text is about a painter and a bridge, so I need the town of the bridge; "
                f"search {number} asks for it.</think>\n<search>{query}</search>",
            ),
            Turn(
                role="tool",
                text=f"\n<information>\n[1] Painter {number}: The bridge stands in {shown}.\n"
                "[2] Bridges: A bridge crosses a river.\n</information>\n",
            ),
        ]
    answer = golds[0] if len(golds) == 1 else "\n".join(f"{n}. {gold}" for n, gold in enumerate(golds, 1))
    turns.append(
        Turn(role="model", text=f"<think>The results name {shown}.</think>\n<answer>{answer}</answer>")
    )
    return _trajectory(task, turns, answer, searches)


def wrong_trajectory(task: Task) -> Trajectory:
    """Returns a trajectory in the asked form with a wrong answer."""
    turns = [
        Turn(role="model", text="<think>I look for it.</think>\n<search>a town</search>"),
        Turn(role="tool", text="\n<information>\n[1] Towns: A town has houses.\n</information>\n"),
        Turn(role="model", text="<think>It names a thing.</think>\n<answer>nowhere</answer>"),
    ]
    return _trajectory(task, turns, "nowhere", 1)


def invalid_trajectory(task: Task) -> Trajectory:
    """Returns a trajectory without the asked form."""
    return _trajectory(task, [Turn(role="model", text=INVALID)], "", 0, "no_answer")


def _trajectory(
    task: Task, turns: Sequence[Turn], answer: str, searches: int, status: Any = "answered"
) -> Trajectory:
    return Trajectory(
        id=task.id,
        task=task_json(task),
        turns=tuple(turns),
        answer=answer,
        status=status,
        scores=score_task(answer, task, "spans").to_json(),
        model="m",
        usage=Usage(searches=searches, model_tokens=20, tool_tokens=20 * searches),
        retrieved=tuple(("d0",) for _ in range(searches)),
    )


class FinishedRun:
    """A run folder that is written stage by stage."""

    def __init__(self, folder: Path, name: str = "demo") -> None:
        self.folder, self.name = folder, name
        self.rows: list[dict[str, Any]] = []
        self.recipe: dict[str, Any] = {}
        self.stage("base", "model")
        self.stage("index", "index")

    def path(self, stage: str) -> Path:
        return self.folder / "stages" / stage

    def stage(
        self, name: str, kind: str, summary: Mapping[str, Any] | None = None, status: str = "done"
    ) -> Path:
        """Adds a stage to run.json and makes its folder."""
        self.path(name).mkdir(parents=True, exist_ok=True)
        row = {"name": name, "kind": kind, "status": status, "seconds": 2.0}
        self.rows.append({**row, "summary": dict(summary or {"text": f"made {name}"})})
        self.recipe[name] = {"kind": kind, "settings": {}}
        self._write()
        return self.path(name)

    def _write(self) -> None:
        recipe = {"stages": self.recipe}
        record = {"name": self.name, "recipe": recipe, "stages": self.rows}
        (self.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
        (self.folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")

    def evaluate(
        self,
        name: str,
        suite: str,
        tasks: Sequence[Task],
        right: Collection[int],
        maker: str = "base",
        model: str = "smollm2-135m",
        wrong: str = "wrong",
        trajectories: bool = True,
        grounded: Collection[int] | None = None,
        **settings: Any,
    ) -> None:
        """Adds an evaluation in which the tasks with the numbers `right` are right.

        The others are wrong, or `invalid`. `grounded`: numbers of the right tasks whose results contain the
        answer; unset, all of them.
        """
        folder = self.stage(name, "eval")
        chosen = EvalSettings(
            questions="q",
            model=str(self.path(maker) / "checkpoint"),
            index=str(self.path("index") / "index"),
            suite=suite,
            **settings,
        )
        other = invalid_trajectory if wrong == "invalid" else wrong_trajectory
        made = [
            right_trajectory(task, grounded is None or number in grounded) if number in right else other(task)
            for number, task in enumerate(tasks)
        ]
        results = summarise(
            [row(one, chosen, 1.0) for one in made],
            suite=suite,
            method=chosen.method,
            model=model,
            retriever="" if chosen.method == "closed-book" else "bm25-0",
            settings=chosen.model_dump(mode="json"),
            bootstrap=200,
            seed=1,
        )
        save(results, folder / "results.json")
        if trajectories:
            lines = (json.dumps(one.to_json(), ensure_ascii=False) + "\n" for one in made)
            (folder / "trajectories.jsonl").write_text("".join(lines), encoding="utf-8")

    def compare(self, *names: str, stage: str = "comparison", **settings: Any) -> None:
        """Adds a comparison of evaluations; `groups` map arms to names of stages."""

        def paths(stages: Sequence[str]) -> tuple[str, ...]:
            return tuple(str(self.path(name) / "results.json") for name in stages)

        given = {"results": list(names), **settings}
        groups = {arm: paths(stages) for arm, stages in settings.pop("groups", {}).items()}
        if settings.get("baseline"):
            (settings["baseline"],) = paths([settings["baseline"]])
        folder = self.stage(stage, "compare")
        chosen = CompareSettings(results=paths(names), groups=groups, bootstrap=500, **settings)
        summary = run_compare(chosen, folder / "comparison.json", folder)
        self.rows[-1]["summary"] = summary
        self.recipe[stage]["settings"] = given
        self._write()


def demo_run(folder: Path) -> FinishedRun:
    """Writes a run like that of `masks`: a large gain on RAMP, no shown gain on questions, and short RL."""
    run = FinishedRun(folder)
    one, two, asked = ramp_tasks(100), ramp_tasks(40, masks=2), questions(60)
    unseen = {"not_trained_on": ("tasks",)}
    run.stage("sft", "sft", {"text": "57 steps", "steps": 57})
    note = "3 steps show that the machinery works; they cannot show a gain."
    run.stage("rl", "rl", {"text": "3 DAPO steps", "steps": 3, "note": note})
    run.evaluate("before-ramp-1", "RAMP, one mask", one, {5, 6}, wrong="invalid", **unseen)
    prompted = {"method": "agent-prompted", **unseen}
    run.evaluate("prompted-ramp-1", "RAMP, one mask", one[:40], range(3), wrong="invalid", **prompted)
    run.evaluate("rag-ramp-1", "RAMP, one mask", one[:40], range(20, 32), method="rag", **unseen)
    trained, further = {"maker": "sft", "model": "smollm2-135m+sft"}, {"maker": "rl"}
    further["model"] = "smollm2-135m+sft+rl"
    run.evaluate("sft-ramp-1", "RAMP, one mask", one, range(80), **trained, **unseen)
    run.evaluate("rl-ramp-1", "RAMP, one mask", one, range(79), grounded=range(2, 79), **further, **unseen)
    run.evaluate("sft-ramp-2", "RAMP, two masks", two, range(18), **trained, **unseen)
    run.evaluate("before-hotpot", "HotpotQA", asked, (), wrong="invalid")
    run.evaluate("rag-hotpot", "HotpotQA", asked[:30], range(3), method="rag")
    run.evaluate("rl-hotpot", "HotpotQA", asked, range(4), **further)
    run.compare("before-ramp-1", "sft-ramp-1", "rl-ramp-1", "sft-ramp-2", "before-hotpot", "rl-hotpot")
    bare = ("prompted-ramp-1", "rag-ramp-1", "rl-ramp-1", "rag-hotpot", "rl-hotpot")
    subset = {"stage": "prompted-comparison", "allow_different_questions": True}
    run.compare(*bare, **subset, baseline="rl-ramp-1")
    return run
