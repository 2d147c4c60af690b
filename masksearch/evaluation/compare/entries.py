"""What a comparison is made of: results with the file they came from, what they are called, and which variant of the search they saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from masksearch.llm.settings import ENDPOINTS
from masksearch.types import Results

_NOISES = ("drop", "distract", "shuffle", "fail")


class Loaded(NamedTuple):
    """Results and the file they came from."""

    source: str
    results: Results


class Variant(NamedTuple):
    """How the search was made worse on purpose: rates of noise by kind (those above 0), gold passages taken out of the index."""

    gold_removed: bool
    noise: tuple[tuple[str, float], ...]
    seed: int

    def __bool__(self) -> bool:
        """False for a search as it is."""
        return self.gold_removed or bool(self.noise)

    @property
    def name(self) -> str:
        """`drop 20%, distract 10%`, `gold removed`; empty for a search as it is."""
        parts = [f"{kind} {100 * rate:.3g}%" for kind, rate in self.noise]
        parts += [f"noise seed {self.seed}"] if self.noise and self.seed != 1 else []
        return ", ".join(["gold removed", *parts] if self.gold_removed else parts)


def variant(results: Results) -> Variant:
    """Of one evaluation, by its settings; closed-book has none."""
    if results.method == "closed-book":
        return Variant(False, (), 1)
    search = results.settings.get("search")
    noise = search.get("noise") if isinstance(search, Mapping) else None
    noise = noise if isinstance(noise, Mapping) else {}
    rates = tuple((kind, float(noise[kind])) for kind in _NOISES if noise.get(kind))
    return Variant(bool(results.settings.get("hide_gold")), rates, int(noise.get("seed", 1)))


def label(results: Results) -> str:
    """What a table calls the model: `label` of the settings, otherwise the last telling part of its name or path."""
    if results.settings.get("label"):
        return str(results.settings["label"])
    return _tail(results.model)


def _tail(name: str) -> str:
    if not name.startswith(("/", ".", "~")):
        return name
    parts = [part for part in Path(name).parts if part not in ("/", ".", "..", "~", "model", "checkpoint")]
    return parts[-1] if parts else name


def _checkpoint(entry: Loaded) -> str:
    """The checkpoint's folder, or an endpoint's name, as the evaluation was given it."""
    model = str(entry.results.settings.get("model", ""))
    return _tail(f"./{model}") if model and not model.startswith(ENDPOINTS) else model


def _file(entry: Loaded) -> str:
    """The telling part of the file: of `runs/x/stages/y/results.json` it is y."""
    path = Path(entry.source)
    return path.parent.name if path.stem == "results" and path.parent.name else path.stem


def row_names(entries: Sequence[Loaded]) -> dict[str, str]:
    """What each file's row is called: the label of its model; where two of one suite would be told by nothing (same method, same
    variant), also the checkpoint, the file, or in the end the whole path."""
    names = {entry.source: label(entry.results) for entry in entries}
    finer: list[Callable[[Loaded], str]] = [_checkpoint, _file, lambda entry: entry.source]
    for more in finer:
        unclear = _clashing(entries, names)
        for entry in entries:
            if (names[entry.source], entry.results.method) in unclear:
                told, added = label(entry.results), more(entry)
                names[entry.source] = f"{told} [{added}]" if added and added != told else told
    return names


def _clashing(entries: Iterable[Loaded], names: Mapping[str, str]) -> set[tuple[str, str]]:
    """(name, method) under which one suite and variant has several results."""
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
    """One question's figure; None where it has none (a judge that could not be read, no search that could bring evidence)."""
    found = row.get(metric)
    return float(found) if isinstance(found, int | float) else None


def same_question(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two rows of one id have the same golds, in whatever order; true where a file does not list them."""
    golds = [row.get("answers") for row in (first, second)]
    return None in golds or sorted(map(str, golds[0] or ())) == sorted(map(str, golds[1] or ()))


def shared_ids(group: Sequence[Results]) -> list[str]:
    """Ids of the questions that all of `group` answered, with the same golds, in the order of the first."""
    tables = [{row["id"]: row for row in results.per_question} for results in group]
    return [
        key
        for key, row in tables[0].items()
        if all(key in table and same_question(row, table[key]) for table in tables[1:])
    ]
