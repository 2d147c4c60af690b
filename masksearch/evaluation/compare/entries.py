"""Entries of a comparison: results with their file, their row names, and the variant of their search.

The variant tells whether the search was degraded on purpose, by noise or by hiding the gold passages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from masksearch.evaluation.suites.registry import same_name
from masksearch.llm.settings import ENDPOINTS
from masksearch.types import Results

_NOISES = ("drop", "distract", "shuffle", "fail")


class Loaded(NamedTuple):
    """The content of a results file, with the path of the file."""

    source: str
    results: Results


def with_one_spelling(loaded: Mapping[str, Loaded]) -> dict[str, Loaded]:
    """Returns the results with one spelling for each suite, the first: names are compared without case."""
    spelled: dict[str, str] = {}
    found = {}
    for source, entry in loaded.items():
        name = spelled.setdefault(same_name(entry.results.suite), entry.results.suite)
        found[source] = entry._replace(results=entry.results.model_copy(update={"suite": name}))
    return found


class Variant(NamedTuple):
    """How an evaluation degraded its search on purpose.

    `gold_removed`: whether the gold passages were hidden. `noise`: (kind, rate) of every kind of noise with a
    rate above 0. `seed`: seed of the noise.
    """

    gold_removed: bool
    noise: tuple[tuple[str, float], ...]
    seed: int

    def __bool__(self) -> bool:
        """Whether the search was degraded."""
        return self.gold_removed or bool(self.noise)

    @property
    def name(self) -> str:
        """Returns a name such as `drop 20%, distract 10%` or `gold removed`; empty for the original
        search."""
        parts = [f"{kind} {100 * rate:.3g}%" for kind, rate in self.noise]
        parts += [f"noise seed {self.seed}"] if self.noise and self.seed != 1 else []
        return ", ".join(["gold removed", *parts] if self.gold_removed else parts)


def variant(results: Results) -> Variant:
    """Returns the variant of an evaluation's search, from its settings; not degraded for closed-book."""
    if results.method == "closed-book":
        return Variant(False, (), 1)
    search = results.settings.get("search")
    noise = search.get("noise") if isinstance(search, Mapping) else None
    noise = noise if isinstance(noise, Mapping) else {}
    rates = tuple((kind, float(noise[kind])) for kind in _NOISES if noise.get(kind))
    return Variant(bool(results.settings.get("hide_gold")), rates, int(noise.get("seed", 1)))


def label(results: Results) -> str:
    """Returns the model's name in tables.

    This is the setting `label`; if it is empty, the model's name. A model's name that is a path is shortened
    to its last part other than `model` and `checkpoint`.
    """
    if results.settings.get("label"):
        return str(results.settings["label"])
    return _tail(results.model)


def _tail(name: str) -> str:
    if not name.startswith(("/", ".", "~")):
        return name
    parts = [part for part in Path(name).parts if part not in ("/", ".", "..", "~", "model", "checkpoint")]
    return parts[-1] if parts else name


def _checkpoint(entry: Loaded) -> str:
    """Returns the setting `model`; a checkpoint's path is shortened to its last part other than `model` and
    `checkpoint`."""
    model = str(entry.results.settings.get("model", ""))
    return _tail(f"./{model}") if model and not model.startswith(ENDPOINTS) else model


def _file(entry: Loaded) -> str:
    """Returns a short name of a results file: its folder's name if the file is a `results.json` (`y` for
    `runs/x/stages/y/results.json`), otherwise its own name."""
    path = Path(entry.source)
    return path.parent.name if path.stem == "results" and path.parent.name else path.stem


def row_names(entries: Sequence[Loaded]) -> dict[str, str]:
    """Returns the name of each results file's row: the model's label, made unique.

    If two results of one suite, method and variant have the same label, their names get an addition in
    brackets: the checkpoint. If the names are still equal, the addition is the file's short name, and as a
    last resort the file's path.
    """
    names = {entry.source: label(entry.results) for entry in entries}
    finer: list[Callable[[Loaded], str]] = [_checkpoint, _file, lambda entry: entry.source]
    for more in finer:
        ambiguous = _clashing(entries, names)
        for entry in entries:
            if (names[entry.source], entry.results.method) in ambiguous:
                plain, added = label(entry.results), more(entry)
                names[entry.source] = f"{plain} [{added}]" if added and added != plain else plain
    return names


def _clashing(entries: Iterable[Loaded], names: Mapping[str, str]) -> set[tuple[str, str]]:
    """Returns the (row name, method) pairs that two results of one suite and variant share."""
    seen: set[tuple[Any, ...]] = set()
    found: set[tuple[str, str]] = set()
    for entry in entries:
        key = (names[entry.source], entry.results.method)
        place = (*key, entry.results.suite, variant(entry.results))
        if place in seen:
            found.add(key)
        seen.add(place)
    return found


def value(row: Mapping[str, Any], metric: str) -> float | None:
    """Returns the value of a metric in a question's row.

    Returns None if the row lacks the metric, for example because the judge's verdict was unreadable or the
    question names no evidence.
    """
    found = row.get(metric)
    return float(found) if isinstance(found, int | float) else None


def same_question(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two rows with the same id have the same gold answers, in any order.

    Also true if one of the two rows does not list its gold answers.
    """
    golds = [row.get("answers") for row in (first, second)]
    return None in golds or sorted(map(str, golds[0] or ())) == sorted(map(str, golds[1] or ()))


def shared_ids(group: Sequence[Results]) -> list[str]:
    """Returns the ids of the questions that all results of `group` have, in the order of the first results.

    An id does not count if its gold answers differ between the results.
    """
    tables = [{row["id"]: row for row in results.per_question} for results in group]
    return [
        key
        for key, row in tables[0].items()
        if all(key in table and same_question(row, table[key]) for table in tables[1:])
    ]
