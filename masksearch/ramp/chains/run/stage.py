"""The stage `mask` for chained tasks.

    1. Uses the given index, or builds one; marks near-copies (as for masked passages).
    2. With a limit, draws the documents to read, each followed by those that it names.
    3. Reads the facts of each shard of documents (parsed once, written atomically).
    4. Joins the facts into drafts, by shape and relation.
    5. Checks the drafts in blocks by searching, and writes tasks up to the limit.

The facts and the drafts depend on the corpus and the settings alone, and the checks of a block on the block:
any number of processes, and a resumed run, write the same bytes.

    masksearch mask docs.jsonl -o tasks.jsonl --hops 1-4 --form question --limit 1000
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from masksearch.errors import MaskSearchError, UsageError
from masksearch.ramp.chains.book.book import Book
from masksearch.ramp.chains.records import Draft
from masksearch.ramp.chains.run.balance import Group, grouped, quotas
from masksearch.ramp.chains.run.draft_shards import (
    BLOCK,
    CheckWorker,
    checked_file,
    read_block_counts,
    read_tasks_of,
    write_drafts,
)
from masksearch.ramp.chains.run.fact_shards import FactWorker, fact_file, read_counts, read_facts
from masksearch.ramp.chains.run.reading_order import LEAST, PER_TASK, linked_order
from masksearch.ramp.chains.shapes import SHAPES
from masksearch.ramp.run.base import Run
from masksearch.ramp.run.plan import Plan
from masksearch.ramp.run.prepare import LINKED, prepare, save_order
from masksearch.ramp.run.shard_workers import MakeWorker, open_engine
from masksearch.ramp.settings import MaskSettings, hop_range
from masksearch.runtime.progress import Progress

MASKING = (
    "masks",
    "weights",
    "tasks_per_document",
    "extractors",
    "strategy",
    "category_weights",
    "ppl_model",
)
"""Settings of masked passages that chained tasks do not have."""


class ChainRun(Run):
    """A run that makes chained tasks."""

    blocks: dict[int, Sequence[Draft]]

    def go(self) -> dict[str, Any]:
        """Makes and writes the tasks; returns the summary."""
        self.plan = self._ordered(prepare(self.settings, {1: 1.0}, self.work))
        self._process(FactWorker, self._missing_facts(), "Reading facts", "shards")
        self.read = read_counts(self.work, self.plan.shards)
        self.drafts = self._grouped_drafts()
        self.write(self._tasks())
        return self.conclude()

    def _ordered(self, plan: Plan) -> Plan:
        """Returns the plan with the documents that a run with a limit reads."""
        limit = self.settings.limit
        if limit is not None and not (self.work / LINKED).exists():
            most = max(LEAST, PER_TASK * limit)
            save_order(plan, linked_order(plan, np.asarray(plan.order), most))
            plan.close()
        return plan

    def _missing_facts(self) -> list[int]:
        return [shard for shard in range(self.plan.shards) if not fact_file(self.work, shard).exists()]

    def _process(self, make: MakeWorker, shards: list[int], title: str, unit: str) -> None:
        """Processes shards by the engine of the settings."""
        if not shards:
            return
        with Progress(title, len(shards), unit) as bar, open_engine(self.plan, make) as engine:
            for _ in engine.run(shards):
                bar.step()

    def _grouped_drafts(self) -> dict[Group, list[Draft]]:
        """Returns the drafts of the wanted shapes and hops, by shape and hops, in the order of the checks."""
        facts = list(read_facts(self.work, self.plan.shards))
        self.facts = len(facts)
        book = Book(facts, self._all_titles())
        self.linked = sum(
            book.target(fact) is not None for article in book.usable() for fact in article.facts
        )
        return grouped(self._wanted(book), self.settings.seed)

    def _all_titles(self) -> list[str]:
        """Returns the titles of the whole corpus: a name that several articles have means none of them."""
        passages = self.plan.passages
        return [passages[int(start)].title for start in passages.document_starts]

    def _wanted(self, book: Book) -> Iterator[Draft]:
        low, high = hop_range(self.settings.hops)
        cloze = self.settings.form == "cloze"
        for shape, (_, make) in SHAPES.items():
            if shape in wanted_shapes(self.settings):
                for draft in make(book, self.settings.seed, high):
                    if low <= draft.hops <= high and (draft.statement or not cloze):
                        yield draft

    def _tasks(self) -> Iterator[dict[str, Any]]:
        """Yields the tasks that pass the checks, at most as many as the limit; shapes take turns."""
        made: dict[Group, list[dict[str, Any]]] = {group: [] for group in self.drafts}
        done = dict.fromkeys(self.drafts, 0)
        while blocks := self._next_blocks(made, done):
            self._check(blocks)
            for group, block in blocks.items():
                for number in range(done[group], block):
                    self._collect(made[group], self._number(group, number))
                done[group] = block
        yield from map(self.count, self._in_turns(made))

    def _next_blocks(
        self, made: dict[Group, list[dict[str, Any]]], done: dict[Group, int]
    ) -> dict[Group, int]:
        """Returns, for each group that needs more tasks, the number of its blocks to have checked by then."""
        most = {group: -(-len(self.drafts[group]) // BLOCK) for group in self.drafts}
        if self.settings.limit is None:
            return {group: most[group] for group in most if done[group] < most[group]}
        unlimited = {
            group: len(made[group]) if done[group] >= most[group] else self.settings.limit for group in most
        }
        wanted = quotas(unlimited, self.settings.shape_weights, self.settings.limit)
        return {
            group: min(most[group], done[group] + max(1, (wanted[group] - len(made[group])) // BLOCK))
            for group in most
            if len(made[group]) < wanted[group] and done[group] < most[group]
        }

    def _number(self, group: Group, block: int) -> int:
        """Returns the number of a group's block in the run."""
        return sorted(self.drafts).index(group) * 100_000 + block

    def _check(self, blocks: dict[Group, int]) -> None:
        """Checks the blocks that are not checked yet."""
        todo = []
        for group, most in blocks.items():
            for place in range(most):
                number = self._number(group, place)
                if not checked_file(self.work, number).exists():
                    write_drafts(self.work, number, self.drafts[group][place * BLOCK : (place + 1) * BLOCK])
                    todo.append(number)
        self._process(CheckWorker, todo, "Checking drafts", f"blocks of {BLOCK}")

    def _collect(self, made: list[dict[str, Any]], block: int) -> None:
        counts = read_block_counts(self.work, block)
        failed = [reason for reason in counts if reason.startswith("failed: ")]
        if failed:
            checked_file(self.work, block).unlink()
            raise MaskSearchError(
                f"{counts[failed[0]]} tasks could not be checked ({failed[0].removeprefix('failed: ')}); fix "
                "the cause and start the same command again."
            )
        self.stats.passages += counts.pop("drafts")
        self.stats.dropped.update(counts)
        made += read_tasks_of(self.work, block)

    def _in_turns(self, made: dict[Group, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        """Yields the tasks of all groups in turns, at the pace of their numbers."""
        limit = self.settings.limit
        most = {group: len(rows) for group, rows in made.items()}
        if limit is not None:
            most = quotas(most, self.settings.shape_weights, limit)
        placed = [
            ((place + 0.5) / most[group], group, rows[place])
            for group, rows in made.items()
            for place in range(most[group])
        ]
        placed.sort(key=lambda row: row[:2])
        yield from (task for *_, task in placed)

    def text(self) -> str:
        """Returns what the run says at its end."""
        shapes = ", ".join(f"{count} {name}" for name, count in self.stats.shapes.most_common())
        return (
            f"{self.stats.kept} tasks ({shapes}) from {self.read['documents']} documents with {self.facts} "
            f"facts; {self.stats.passages} drafts checked, dropped: {self.drop_counts() or 'none'}"
        )

    def why_no_task(self) -> str:
        """Returns what was looked for, and how much of it was found."""
        low, high = hop_range(self.settings.hops)
        hops = f"{low} to {high} hops" if low < high else f"{low} hop{'s' if low > 1 else ''}"
        skipped = ", ".join(f"{count} {name}" for name, count in self.read.items() if name != "documents")
        found = Counter({f"{shape} of {hops}": len(rows) for (shape, hops), rows in self.drafts.items()})
        drafts = ", ".join(f"{count} {name}" for name, count in found.items()) or "none"
        dropped = f"; dropped by the checks: {self.drop_counts()}" if self.stats.dropped else ""
        return (
            f"looked for tasks of {hops} in {self.read['documents']} documents"
            f"{f' ({skipped} skipped)' if skipped else ''}; found {self.facts} facts, of which {self.linked} "
            f"name another article; drafts: {drafts}{dropped}. A chain needs an article that names another "
            "article of the corpus"
        )


def wanted_shapes(settings: MaskSettings) -> tuple[str, ...]:
    """Returns the shapes of the settings, or all that the hops and the form allow.

    Raises UsageError for a named shape that they do not allow.
    """
    low, high = hop_range(settings.hops)
    allowed = [name for name, (hops, _) in SHAPES.items() if any(low <= number <= high for number in hops)]
    if settings.form == "cloze":
        allowed = [name for name in allowed if name in ("hop", "chain")]
    for name in settings.shapes:
        if name not in allowed:
            hops = ", ".join(map(str, SHAPES[name][0]))
            raise UsageError(
                f"shapes: '{name}' tasks have {hops} hops and the form question"
                f"{' or cloze' if name in ('hop', 'chain') else ''}, but hops is {settings.hops} and form is "
                f"{settings.form}; change one of them."
            )
    return settings.shapes or tuple(allowed)


def check_chained(settings: MaskSettings) -> None:
    """Raises UsageError for settings that chained tasks do not have."""
    wanted_shapes(settings)
    if settings.language != "en":
        raise UsageError(
            f"hops, form and shapes: chained tasks are read off English text, and language is "
            f"{settings.language}; for other languages mask passages (leave these settings out)."
        )
    if settings.hide_source:
        raise UsageError(
            "hide_source has no effect on chained tasks: every step needs its own article. Leave it out, or "
            "leave out hops, form and shapes."
        )
    for name in MASKING:
        if getattr(settings, name) != MaskSettings.model_fields[name].get_default(call_default_factory=True):
            raise UsageError(
                f"{name} has no effect on chained tasks, which mask no passages; leave it out, or leave out "
                "hops, form and shapes."
            )
    unknown = [name for name in settings.shape_weights if name not in SHAPES]
    if unknown or any(weight < 0 for weight in settings.shape_weights.values()):
        raise UsageError(
            f"shape_weights: write weights of 0 or more for {', '.join(SHAPES)}"
            f"{f'; there is no shape {unknown[0]!r}' if unknown else ''}."
        )
