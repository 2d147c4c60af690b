"""What became of the passages: counted where tasks are made, added up over shards, shown in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any


def _counter() -> Counter[str]:
    return Counter()


@dataclass
class MaskStats:
    """Counts of one shard or of a whole run. Keys are text, so that a count reads back from JSON as it was."""

    documents: int = 0
    """Worked, those set aside not counted."""
    passages: int = 0
    """Looked at."""
    verified: int = 0
    """Tasks whose evidence was searched for."""
    found: int = 0
    """Tasks whose evidence was found."""
    set_aside: int = 0
    """Documents that an endpoint could not work; a later run takes them up."""
    kept: int = 0
    dropped: Counter[str] = field(default_factory=_counter)
    """Reason -> passages."""
    masks: Counter[str] = field(default_factory=_counter)
    """k -> tasks."""
    categories: Counter[str] = field(default_factory=_counter)
    """Category -> masks."""
    languages: Counter[str] = field(default_factory=_counter)
    """Language -> tasks."""
    spans_refused: Counter[str] = field(default_factory=_counter)
    """Reason -> spans that were found and may not be masked."""
    spans_dropped: Counter[str] = field(default_factory=_counter)
    """Reason -> spans that an extractor named and that were not right."""
    ranks: Counter[str] = field(default_factory=_counter)
    """Rank of the evidence -> masks."""
    survival: Counter[str] = field(default_factory=_counter)
    """`CATEGORY: test` -> masks that passed the test of evidence from elsewhere."""

    def add_task(self, task: Mapping[str, Any]) -> None:
        """Counts a task that is kept, given as JSON."""
        self.kept += 1
        self.masks[str(task["masks"])] += 1
        self.categories.update(task["categories"])
        self.languages[task["language"] or "not named"] += 1
        self.ranks.update(str(rank) for rank in task["ranks"])

    def without_tasks(self) -> MaskStats:
        """The same counts, less those of the tasks: a limit keeps fewer tasks than a shard has."""
        return replace(
            self, kept=0, masks=Counter(), categories=Counter(), languages=Counter(), ranks=Counter()
        )

    def merge(self, other: MaskStats) -> None:
        """Adds the counts of another shard."""
        for item in fields(self):
            mine, its = getattr(self, item.name), getattr(other, item.name)
            if isinstance(mine, Counter):
                mine.update(its)
            else:
                setattr(self, item.name, mine + its)

    def to_json(self) -> dict[str, Any]:
        """All counts as plain JSON, keys in order."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> MaskStats:
        """The counts that `to_json` gave."""
        stats = cls()
        for item in fields(cls):
            count = value.get(item.name, 0)
            setattr(
                stats,
                item.name,
                Counter(count or {}) if isinstance(getattr(stats, item.name), Counter) else int(count),
            )
        return stats

    def summary(self) -> dict[str, Any]:
        """What a person wants to know, most frequent first."""
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
        }


def survival_table(survival: Mapping[str, int]) -> str:
    """How many masks of each category passed each test of evidence from elsewhere, as aligned lines; keys as in `MaskStats.survival`."""
    from masksearch.ramp.checks.elsewhere import TESTS

    counts: dict[str, dict[str, int]] = {}
    for key, count in survival.items():
        category, _, test = key.partition(": ")
        counts.setdefault(test, {})[category] = count
    tests = sorted(counts, key=("tried", *TESTS).index)
    categories = sorted({category for found in counts.values() for category in found})
    width = max(map(len, ["evidence elsewhere", *tests]))
    rows = [["evidence elsewhere", "all", *categories]]
    rows += [
        [
            test,
            str(sum(counts[test].values())),
            *(str(counts[test].get(category, 0)) for category in categories),
        ]
        for test in tests
    ]
    widths = [max(6, len(head)) for head in rows[0][1:]]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(width), *map(str.rjust, row[1:], widths)]) for row in rows
    )


def _plain(value: Any) -> Any:
    return {key: value[key] for key in sorted(value)} if isinstance(value, Counter) else value
