"""Benchmark of evaluation speed: our `eval` against `generate` on padded batches.

    python benchmarks/evaluation.py [--model CHECKPOINT] [--index DIR] [--batches 8,16,32] [--rounds 3]

Both sides use the same model, prompts, questions, index and limits, in one process, with greedy decoding.
The baseline is the usual loop without an engine: a batch of rollouts, padded on the left, decodes one
turn with transformers' `generate` (each row ends at its own stop string or limit), then all searches run
at once, then the next turn decodes from the whole texts. Each batch size is tried once, and the best one
is compared in alternating rounds. A model that was never trained on the tags runs into its limits in the
first turn, so without --model one is trained for a few steps. The table shows medians; on a busy machine
look at the ratios, of which that of processor time varies least. Loading the model does not count,
scoring does.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from masksearch.agent.loop import roll_out
from masksearch.agent.prompts import messages, method_prompt, render_information
from masksearch.agent.protocol import Answer, Search, parse_turn, stops
from masksearch.agent.settings import AgentSettings
from masksearch.cli.main import main as masksearch
from masksearch.llm.base import Sampling
from masksearch.llm.checkpoint import load_checkpoint
from masksearch.llm.decoder.local_policy import LocalPolicy
from masksearch.llm.device import dtype_name, find_dtype
from masksearch.protocols import Searcher
from masksearch.runtime.records import read_tasks
from masksearch.scoring.metrics import score_task
from masksearch.search import open_searcher
from masksearch.types import Hit, Task

SHIPPED = Path(__file__).parent.parent / "data"
Outcome = tuple[str, str]
"""(answer, all text of the model) of one question."""


@dataclass
class Clock:
    """Wall time in seconds by part of the work."""

    spent: dict[str, float] = field(default_factory=dict)

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Returns `work` wrapped so that its wall time is added to `name`."""

        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - started

        return call


class TimedSearcher:
    """A searcher in this process that times its searches."""

    def __init__(self, inner: Searcher, clock: Clock) -> None:
        self.inner, self.fingerprint = inner, inner.fingerprint
        self.search = clock.timed("search", inner.search)

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Searches for one query, without waiting: the index is in this process."""
        found: list[Hit] = self.search([query], k)[0]
        return found


def ours(
    policy: LocalPolicy, searcher: Any, tasks: Sequence[Task], settings: AgentSettings, clock: Clock
) -> list[Outcome]:
    """Rolls out all questions at once in the slots, as `masksearch eval` does."""
    episodes = roll_out(tasks, policy, searcher, settings, [Sampling(temperature=0.0)] * len(tasks))
    score = clock.timed("scoring", score_task)
    for episode, task in zip(episodes, tasks, strict=True):
        score(episode.trajectory.answer, task, settings.answer_form)
    # A session that has reached its length limit ends with an empty turn, which the baseline does not
    # write.
    texts = [
        "\n".join(turn.text for turn in episode.trajectory.turns if turn.role == "model" and turn.text)
        for episode in episodes
    ]
    return [(episode.trajectory.answer, text) for episode, text in zip(episodes, texts, strict=True)]


class StopRows(StoppingCriteria):  # type: ignore[misc]
    """Stops each row at a stop string, at its end token, or at its own limit.

    `lengths` are the numbers of tokens that the rows decoded.
    """

    def __init__(
        self,
        tokenizer: Any,
        closing: frozenset[int],
        ends: frozenset[int],
        stop: Sequence[str],
        width: int,
        limits: Sequence[int],
    ) -> None:
        self.tokenizer = tokenizer
        self.closing = closing  # tokens that can end a stop string; only after these is the text decoded
        self.ends = ends
        self.stop = stop
        self.width = width
        self.limits = limits
        self.lengths = [0] * len(limits)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        # input_ids: (batch, width + tokens decoded so far)
        written = input_ids.shape[1] - self.width
        last = input_ids[:, -1].tolist()
        for row, token in enumerate(last):
            if not self.lengths[row] and (
                token in self.ends or written >= self.limits[row] or self._stopped(input_ids[row], token)
            ):
                self.lengths[row] = written
        return torch.tensor([length > 0 for length in self.lengths], device=input_ids.device)

    def _stopped(self, ids: torch.Tensor, token: int) -> bool:
        if token not in self.closing:
            return False
        text = self.tokenizer.decode(ids[self.width :], skip_special_tokens=True)
        return any(word in text for word in self.stop)


@dataclass
class Rollout:
    """The state of one question in a padded batch."""

    task: Task
    ids: list[int]
    used: int = 0
    """Tokens that the model has decoded."""
    searches: int = 0
    answer: str = ""
    turns: list[str] = field(default_factory=list)
    """Texts of the model's turns."""


class Padded:
    """Rollouts in padded batches, with `generate` alone."""

    def __init__(self, model: Any, tokenizer: Any, searcher: Any, settings: AgentSettings) -> None:
        self.model, self.tokenizer, self.searcher, self.settings = model, tokenizer, searcher, settings
        ends = {tokenizer.eos_token_id, model.config.eos_token_id, model.generation_config.eos_token_id}
        self.ends = frozenset(token for token in ends if isinstance(token, int))
        pieces = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
        self.closing = frozenset(token for token, piece in enumerate(pieces) if ">" in piece)

    def run(self, tasks: Sequence[Task], batch: int) -> list[Outcome]:
        """Rolls out and scores all questions, `batch` at a time."""
        outcomes: list[Outcome] = []
        for start in range(0, len(tasks), batch):
            rollouts = [self._start(task) for task in tasks[start : start + batch]]
            active = rollouts
            while active:
                active = self._turn(active)
            outcomes += [(rollout.answer, "\n".join(filter(None, rollout.turns))) for rollout in rollouts]
        for (answer, _), task in zip(outcomes, tasks, strict=True):
            score_task(answer, task, self.settings.answer_form)
        return outcomes

    def _start(self, task: Task) -> Rollout:
        chat = messages(task, method_prompt(self.settings.tools), self.settings.answer_form)
        text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return Rollout(task, self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _turn(self, active: list[Rollout]) -> list[Rollout]:
        """Runs one turn and the requested searches of all rollouts; returns the rollouts that continue."""
        settings = self.settings
        limits = [
            min(settings.turn_tokens, settings.max_tokens - one.used, settings.max_length - len(one.ids))
            for one in active
        ]
        asking: list[tuple[Rollout, str]] = []
        for rollout, written in zip(active, self._generate(active, limits), strict=True):
            rollout.ids += written
            rollout.used += len(written)
            text = self.tokenizer.decode(
                written, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            rollout.turns.append(text)
            action = parse_turn(text)
            if isinstance(action, Answer):
                rollout.answer = action.text
            elif isinstance(action, Search) and rollout.searches < settings.max_searches:
                asking.append((rollout, action.query))
        if not asking:
            return []
        found = self.searcher.search([query for _, query in asking], settings.top_k)
        for (rollout, _), hits in zip(asking, found, strict=True):
            rollout.searches += 1
            shown = render_information(hits, settings.passage_words)
            rollout.ids += self.tokenizer(shown, add_special_tokens=False, split_special_tokens=True)[
                "input_ids"
            ]
        return [
            rollout
            for rollout, _ in asking
            if rollout.used < settings.max_tokens and len(rollout.ids) < settings.max_length
        ]

    @torch.inference_mode()
    def _generate(self, active: Sequence[Rollout], limits: Sequence[int]) -> list[list[int]]:
        width = max(len(one.ids) for one in active)
        pad = self.tokenizer.pad_token_id
        # (batch, width), padded on the left
        ids = torch.tensor([[pad] * (width - len(one.ids)) + one.ids for one in active])
        mask = torch.tensor([[0] * (width - len(one.ids)) + [1] * len(one.ids) for one in active])
        stopping = StopRows(
            self.tokenizer, self.closing, self.ends, stops(self.settings.tools), width, limits
        )
        output = self.model.generate(
            input_ids=ids.to(self.model.device),
            attention_mask=mask.to(self.model.device),
            max_new_tokens=max(limits),
            do_sample=False,
            pad_token_id=pad,
            stopping_criteria=StoppingCriteriaList([stopping]),
        )
        return [
            row[width : width + length].tolist() for row, length in zip(output, stopping.lengths, strict=True)
        ]


def measured(work: Callable[[], list[Outcome]]) -> tuple[list[Outcome], float, float]:
    """Returns a call's result, its wall time and its processor time in seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    outcomes = work()
    return outcomes, time.perf_counter() - wall, time.process_time() - processor


def run_stage(*arguments: object) -> None:
    """Runs a masksearch command; ends the benchmark if it fails."""
    if masksearch([str(argument) for argument in arguments]):
        raise SystemExit(f"masksearch {arguments[0]} failed.")


def prepared(arguments: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    """Returns (checkpoint, index), creating in `folder` those that are not given."""
    source = arguments.data / "hotpotqa"
    index, model = arguments.index or folder / "index", arguments.model or folder / "sft"
    if not index.exists():
        run_stage("index", source / "corpus.jsonl.gz", "-o", index)
    if not model.exists():
        base, trajectories = folder / "base", folder / "trajectories.jsonl"
        run_stage("model", "smollm2-135m", "-o", base)
        run_stage(
            "synthesize",
            source / "train_questions.jsonl.gz",
            "--index",
            index,
            "--limit",
            4 * arguments.steps,
            "-o",
            trajectories,
        )
        run_stage(
            *(
                "sft",
                "--model",
                base,
                "--trajectories",
                trajectories,
                "--batch-size",
                4,
                "--max-steps",
                arguments.steps,
            ),
            *("--frozen-layers", 15, "--learning-rate", 1e-3, "-o", model),
        )
    return model, index


def table(arguments: argparse.Namespace, model_path: Path, index: Path) -> Iterator[tuple[str, str]]:
    """Yields (label, value) of each measurement."""
    settings, searcher = AgentSettings(), open_searcher(str(index))
    tasks = read_tasks(arguments.data / "hotpotqa" / "questions.jsonl.gz")[: arguments.questions]
    dtype = find_dtype()
    plain, tokenizer = load_checkpoint(model_path, dtype)
    slotted, _ = load_checkpoint(model_path, dtype)
    policy = LocalPolicy(slotted, tokenizer, "model", arguments.slots, settings.max_length)
    padded = Padded(plain, tokenizer, searcher, settings)
    clock = Clock()
    yield (
        "questions, slots, threads, number format",
        f"{len(tasks)}, {arguments.slots}, {torch.get_num_threads()}, {dtype_name(dtype)}",
    )
    ours(policy, searcher, tasks[:1], settings, clock)
    padded.run(tasks[:1], 1)
    sizes = [int(size) for size in arguments.batches.split(",")]
    best, least = sizes[0], float("inf")
    for batch in sizes if len(sizes) > 1 else []:
        _, wall, processor = measured(lambda batch=batch: padded.run(tasks, batch))
        yield f"generate, batches of {batch}: s, processor s", f"{wall:.1f}, {processor:.1f}"
        if processor < least:
            best, least = batch, processor
    sides: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    clock.spent.clear()
    timed = TimedSearcher(searcher, clock)
    for part in ("prefill", "decode"):
        setattr(policy.engine, f"_{part}", clock.timed(part, getattr(policy.engine, f"_{part}")))
    mine: list[Outcome] = []
    for turn in range(arguments.rounds):
        for side in ("ours", "theirs") if turn % 2 == 0 else ("theirs", "ours"):
            if side == "ours":
                mine, wall, processor = measured(lambda: ours(policy, timed, tasks, settings, clock))
            else:
                outcomes, wall, processor = measured(lambda: padded.run(tasks, best))
            sides[side].append((wall, processor))
            name = "ours" if side == "ours" else f"generate, batches of {best}"
            yield f"round {turn + 1}, {name}: s, processor s", f"{wall:.1f}, {processor:.1f}"
    for name, place in (("wall", 0), ("processor", 1)):
        our = [values[place] for values in sides["ours"]]
        their = [values[place] for values in sides["theirs"]]
        yield (
            f"{name} time per question: ours, generate in batches of {best}",
            f"{_each(our, tasks):.0f}, {_each(their, tasks):.0f} ms",
        )
        yield (
            "  speed-up",
            f"{statistics.median(b / a for a, b in zip(our, their, strict=True)):.2f}",
        )
    yield "shares: same answer, same text, both answered", _agreement(mine, outcomes)
    total = sum(wall for wall, _ in sides["ours"])
    for part, seconds in sorted(clock.spent.items(), key=lambda item: -item[1]):
        yield (
            f"ours, {part}: ms per question, share of the wall time",
            f"{1000 * seconds / len(tasks) / arguments.rounds:.2f}, {seconds / total:.2%}",
        )
    rest = total - sum(clock.spent.values())
    yield (
        "ours, the rest (tokenising, prompts, the loop)",
        f"{1000 * rest / len(tasks) / arguments.rounds:.2f}, {rest / total:.2%}",
    )


def _each(seconds: Sequence[float], tasks: Sequence[Task]) -> float:
    return 1000 * statistics.median(seconds) / len(tasks)


def _agreement(mine: Sequence[Outcome], theirs: Sequence[Outcome]) -> str:
    pairs = list(zip(mine, theirs, strict=True))
    shares = [
        [a[0] == b[0] for a, b in pairs],
        [a == b for a, b in pairs],
        [bool(a[0] and b[0]) for a, b in pairs],
    ]
    return ", ".join(f"{sum(share) / len(share):.0%}" for share in shares)


def main() -> None:
    """Runs the chosen measurements and prints each line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="checkpoint trained on the tags (default: one is trained)")
    parser.add_argument("--steps", type=int, default=30, help="steps of that training")
    parser.add_argument(
        "--index", type=Path, help="index of the data's hotpotqa/corpus.jsonl.gz (default: one is built)"
    )
    parser.add_argument(
        "--keep", type=Path, help="folder for the checkpoint and the index (default: a temporary folder)"
    )
    parser.add_argument("--data", type=Path, default=SHIPPED, help="folder with hotpotqa/questions.jsonl.gz")
    parser.add_argument("--questions", type=int, default=64, help="number of questions")
    parser.add_argument(
        "--batches", default="8,16,32", help="batch sizes of the baseline, separated by commas"
    )
    parser.add_argument("--slots", type=int, default=48, help="slots of our engine")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each side")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model, index = prepared(arguments, folder)
        for what, figure in table(arguments, model, index):
            print(f"{what.ljust(64)}  {figure.rjust(28)}", flush=True)


if __name__ == "__main__":
    main()
