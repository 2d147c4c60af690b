"""Counts of passages, spans and tasks: collected per shard, merged over shards, summarised in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any


def _counter() -> Counter[str]:
    return Counter()


@dataclass
class MaskStats:
    """The counts of one shard or of a whole run. All keys are strings, as in JSON."""

    documents: int = 0
    """Number of processed documents, without those set aside."""
    passages: int = 0
    """Number of passages from which the run tried to make a task, including near-copies."""
    verified: int = 0
    """Number of tasks that a check with a search has judged."""
    found: int = 0
    """Number of tasks in `verified` for which the search found the evidence of all masks."""
    set_aside: int = 0
    """Number of documents that failed because of an endpoint; a later run retries them."""
    kept: int = 0
    """Number of tasks that the run kept."""
    filled: int = 0
    """Number of passages with few names to which the extractor `terms` added spans."""
    dropped: Counter[str] = field(default_factory=_counter)
    """Reason -> number of passages dropped for this reason."""
    masks: Counter[str] = field(default_factory=_counter)
    """Number of masks -> number of kept tasks with this number of masks."""
    categories: Counter[str] = field(default_factory=_counter)
    """Category of the span -> number of masks in kept tasks."""
    languages: Counter[str] = field(default_factory=_counter)
    """Language -> number of kept tasks."""
    spans_refused: Counter[str] = field(default_factory=_counter)
    """Reason -> number of spans that were found but may not be masked."""
    spans_dropped: Counter[str] = field(default_factory=_counter)
    """Reason -> number of spans that a model listed and the extractor rejected."""
    ranks: Counter[str] = field(default_factory=_counter)
    """Rank of the evidence in its search -> number of masks in kept tasks."""
    survival: Counter[str] = field(default_factory=_counter)
    """`CATEGORY: step` -> number of masks of this category that passed this step of the check `elsewhere`."""

    shapes: Counter[str] = field(default_factory=_counter)
    """Shape -> number of kept chained tasks."""
    hops: Counter[str] = field(default_factory=_counter)
    """Number of hops -> number of kept chained tasks."""
    forms: Counter[str] = field(default_factory=_counter)
    """Form -> number of kept chained tasks."""
    needs: Counter[str] = field(default_factory=_counter)
    """What the last step needs -> number of kept chained tasks."""

    def add_task(self, task: Mapping[str, Any]) -> None:
        """Counts a task, given as JSON."""
        self.kept += 1
        if "masks" in task:
            self.masks[str(task["masks"])] += 1
        self.categories.update(task.get("categories", ()))
        self.languages[task.get("language") or ("en" if "shape" in task else "not named")] += 1
        self.ranks.update(str(rank) for rank in task.get("ranks", ()))
        if "shape" in task:
            self.shapes[task["shape"]] += 1
            self.hops[str(task["hops"])] += 1
            self.forms[task["form"]] += 1
            self.needs[task["steps"][-1]["need"]] += 1

    def without_tasks(self) -> MaskStats:
        """Returns the counts without those of tasks.

        With a limit, a run may keep only some tasks of a shard, so it counts the kept tasks itself.
        """
        return replace(
            self, kept=0, masks=Counter(), categories=Counter(), languages=Counter(), ranks=Counter()
        )

    def merge(self, other: MaskStats) -> None:
        """Adds the counts of another shard."""
        for name, its in vars(other).items():
            if not its:  # most counts of a single document are empty
                continue
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(its)
            else:
                setattr(self, name, mine + its)

    def to_json(self) -> dict[str, Any]:
        """Returns all counts as plain JSON with sorted keys."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> MaskStats:
        """Reads counts that `to_json` returned."""
        stats = cls()
        for item in fields(cls):
            count = value.get(item.name, 0)
            is_counter = isinstance(getattr(stats, item.name), Counter)
            setattr(stats, item.name, Counter(count or {}) if is_counter else int(count))
        return stats

    def _chained(self) -> dict[str, Any]:
        """Returns the counts of chained tasks; empty if there are none."""
        if not self.shapes:
            return {}
        return {
            "shapes": _top(self.shapes),
            "hops": _plain(self.hops),
            "forms": _plain(self.forms),
            "needs": _top(self.needs),
        }

    def summary(self) -> dict[str, Any]:
        """Returns the counts for the report, most frequent first."""
        lost = self.dropped.total()
        return {
            "documents_seen": self.documents,
            "passages_seen": self.passages,
            "tasks": self.kept,
            "dropped": dict(self.dropped.most_common()),
            "share_dropped": round(lost / self.passages, 4) if self.passages else 0.0,
            "retrievable": round(self.found / self.verified, 4) if self.verified else None,
            "set_aside": self.set_aside,
            "masks": _plain(self.masks),
            "spans_refused": dict(self.spans_refused.most_common()),
            "spans_dropped": dict(self.spans_dropped.most_common()),
            "categories": dict(self.categories.most_common()),
            "languages": dict(self.languages.most_common()),
            "evidence_ranks": {rank: self.ranks[rank] for rank in sorted(self.ranks, key=int)},
            "survival": _plain(self.survival),
            **({"terms_added": self.filled} if self.filled else {}),
            **self._chained(),
        }


def _top(counter: Counter[str]) -> dict[str, int]:
    return dict(counter.most_common())


def survival_table(survival: Mapping[str, int]) -> str:
    """Renders how many masks of each category passed each test of `checks/elsewhere.py`, as aligned lines.

    The keys of `survival` are those of `MaskStats.survival`.
    """
    from masksearch.ramp.checks.elsewhere import TESTS

    counts: dict[str, dict[str, int]] = {}
    for key, count in survival.items():
        category, _, test = key.partition(": ")
        counts.setdefault(test, {})[category] = count
    tests = sorted(counts, key=("tried", *TESTS).index)
    categories = sorted({category for found in counts.values() for category in found})
    width = max(map(len, ["evidence elsewhere", *tests]))
    rows = [["evidence elsewhere", "all", *categories]]
    for test in tests:
        by_category = [counts[test].get(category, 0) for category in categories]
        rows.append([test, str(sum(counts[test].values())), *map(str, by_category)])
    widths = [max(6, len(head)) for head in rows[0][1:]]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(width), *map(str.rjust, row[1:], widths)]) for row in rows
    )


def _plain(value: Any) -> Any:
    return {key: value[key] for key in sorted(value)} if isinstance(value, Counter) else value
