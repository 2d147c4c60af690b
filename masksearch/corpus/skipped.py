"""What was passed over while a corpus was read: counted by reason, with where each was met first.

Readers count what cannot be read at all; `reading.py` counts records whose fields are not right. Nothing is left out silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_RECORD = 16 * 2**20
"""Longest record that is read: bytes of a line or a text file, characters of a text (MediaWiki's own limit for a page is 2 MiB)."""
TOO_LONG = f"a record of more than {MAX_RECORD // 2**20} MiB"


def path_text(name: str) -> str:
    """A file's name without bytes that are no text, which could be neither shown nor written down."""
    return name.encode("utf-8", "replace").decode()


class BadRecord(Exception):
    """A record that is passed over; the message is the reason."""


@dataclass
class SkipCount:
    """Records passed over, by reason, with where the first of each was met."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    """reason -> "FILE, line N" """
    repaired: dict[str, int] = field(default_factory=dict)
    """Records that were used without a part of them, by what was left out; not in `total`."""

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Counts `count` records."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        self.examples.setdefault(reason, path_text(where))

    def repair(self, reason: str, where: str) -> None:
        """Counts one record that is used without a part of it."""
        self.repaired[reason] = self.repaired.get(reason, 0) + 1
        self.examples.setdefault(reason, path_text(where))

    @property
    def total(self) -> int:
        """Records passed over in all."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """For example: `2 records skipped: 2 not valid JSON (first: docs.jsonl, line 7)`; empty if there were none."""
        parts = []
        for counts, done in ((self.counts, "skipped"), (self.repaired, "used in part")):
            if total := sum(counts.values()):
                reasons = "; ".join(
                    f"{count} {reason} (first: {self.examples[reason]})" for reason, count in counts.items()
                )
                parts.append(f"{total} record{'s' if total > 1 else ''} {done}: {reasons}")
        return "; ".join(parts)

    def table(self) -> str:
        """The same as aligned lines, the most frequent reason first: reason, count, first place. Empty if there was nothing."""
        rows: list[tuple[str, str, str]] = []
        for counts, head in ((self.counts, "skipped"), (self.repaired, "used in part")):
            if counts:
                rows.append((head, "records", "first"))
                rows += [
                    (reason, str(count), self.examples[reason])
                    for reason, count in sorted(counts.items(), key=lambda item: -item[1])
                ]
        wide, high = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
        return "\n".join(f"{reason:<{wide}}  {count:>{high}}  {first}" for reason, count, first in rows)
