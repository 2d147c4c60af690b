"""Counts the records skipped while a corpus is read, by reason, with the first place of each.

The readers of each format count unreadable records; `readers.py` counts records with invalid fields. No
record is skipped without being counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_RECORD = 16 * 2**20
"""Longest record that is read: bytes of a line or a text file, characters of a text.

MediaWiki's own limit for a page is 2 MiB.
"""
TOO_LONG = f"a record of more than {MAX_RECORD // 2**20} MiB"


def path_text(name: str) -> str:
    """Returns a file name without undecodable bytes, which can be neither printed nor written as UTF-8."""
    return name.encode("utf-8", "replace").decode()


class BadRecord(Exception):
    """Raised for a record that is skipped; the message is the reason."""


@dataclass
class SkipCount:
    """Skipped records by reason, with the first place of each reason."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    """Reason -> place of the first record skipped for this reason, such as "FILE, line N"."""
    repaired: dict[str, int] = field(default_factory=dict)
    """Reason -> number of records of which a part could not be used, such as links. These records are used
    without this part, so `total` does not count them."""
    noted: dict[str, int] = field(default_factory=dict)
    """What users should know of files that were read, such as an encoding -> number of files."""
    read: dict[str, int] = field(default_factory=dict)
    """Ending of a file's name -> number of files of a folder that were read."""
    unread: dict[str, int] = field(default_factory=dict)
    """Ending of a file's name -> number of files of a folder that were not read."""
    warnings: list[str] = field(default_factory=list)
    """Sentences about the corpus as a whole."""

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Counts `count` skipped records; `where` is kept for the first record of each reason."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        self.examples.setdefault(reason, path_text(where))

    def repair(self, reason: str, where: str) -> None:
        """Counts one record that is used in part."""
        self.repaired[reason] = self.repaired.get(reason, 0) + 1
        self.examples.setdefault(reason, path_text(where))

    def note(self, what: str, where: str) -> None:
        """Counts one file or source that was read, but of which users should know something."""
        self.noted[what] = self.noted.get(what, 0) + 1
        self.examples.setdefault(what, path_text(where))

    def warn(self, sentence: str) -> None:
        """Adds a sentence about the corpus as a whole, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def file(self, ending: str, was_read: bool) -> None:
        """Counts one file of a folder."""
        counts = self.read if was_read else self.unread
        counts[ending] = counts.get(ending, 0) + 1

    @property
    def total(self) -> int:
        """Number of skipped records."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """Returns a summary, for example `2 records skipped: 2 not valid JSON (first: docs.jsonl, line 7)`.

        Empty if no record was skipped or used in part.
        """
        parts = []
        for counts, done in ((self.counts, "skipped"), (self.repaired, "used in part")):
            if total := sum(counts.values()):
                reasons = "; ".join(
                    f"{count} {reason} (first: {self.examples[reason]})" for reason, count in counts.items()
                )
                parts.append(f"{total} record{'s' if total > 1 else ''} {done}: {reasons}")
        return "; ".join(parts)

    def table(self) -> str:
        """Returns the counts as aligned lines, the most frequent reason first: reason, count, first place.

        Files of a folder that were not read follow. Empty if everything was read.
        """
        rows: list[tuple[str, str, str]] = []
        heads = ((self.counts, "skipped"), (self.repaired, "used in part"), (self.noted, "noted"))
        for counts, head in heads:
            if counts:
                rows.append((head, "files" if counts is self.noted else "records", "first"))
                rows += [
                    (reason, str(count), self.examples[reason])
                    for reason, count in sorted(counts.items(), key=lambda item: -item[1])
                ]
        wide = max((len(reason) for reason, _, _ in rows), default=0)
        digits = max((len(count) for _, count, _ in rows), default=0)
        lines = [f"{reason:<{wide}}  {count:>{digits}}  {first}" for reason, count, first in rows]
        return "\n".join([*lines, *self.file_table(), *(f"{warning}." for warning in self.warnings)])

    def file_table(self) -> list[str]:
        """Returns what was read of a folder by the endings of its files, as aligned lines.

        Empty if every file was read.
        """
        if not self.unread:
            return []
        endings = sorted({*self.read, *self.unread}, key=lambda ending: (ending not in self.read, ending))
        wide = max(5, *map(len, endings))
        return [
            f"{'files':<{wide}}  {'read':>8}  {'not read':>8}",
            *(
                f"{ending:<{wide}}  {self.read.get(ending, 0):>8,}  {self.unread.get(ending, 0):>8,}"
                for ending in endings
            ),
        ]
