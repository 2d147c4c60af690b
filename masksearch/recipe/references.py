"""Which settings name other stages or files (the fields marked `Ref` and `Refs`), and what they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from masksearch.llm.settings import ENDPOINTS
from masksearch.runtime.settings import Ref, Refs, Settings

Shape = Literal["one", "many", "groups"]
MODELS = ("model", "ppl_model", "guess_model")
"""Fields that name a model, which may also be an endpoint's or a hub's."""
SEARCHED = ("index",)
"""Fields that name what is searched, which may also be over a network."""
NETWORK_SEARCH = ("http://", "https://", "web:", "wikipedia:")
"""How the name of a search over a network begins."""
HUB_NAME = re.compile(r"([\w.-]+)/[\w.-]+")
NAMED_CORPORA = ("wiki-summaries", "hf")
"""What stands before the first colon of a corpus that is no path: the packaged text, a hub's data set."""


@cache
def fields(kind: type[Settings]) -> dict[str, Shape]:
    """The reference fields of a settings class."""
    shapes: dict[str, Shape] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if hint == Ref:
            shapes[name] = "one"
        elif hint == Refs:
            shapes[name] = "many"
        elif get_origin(hint) is dict and get_args(hint)[1] == Refs:
            shapes[name] = "groups"
    return shapes


def values(kind: type[Settings], settings: Settings) -> Iterator[tuple[str, str]]:
    """(field, value) of every reference that is not empty."""
    for field, shape in fields(kind).items():
        value = getattr(settings, field)
        if shape == "one":
            found = [value]
        elif shape == "many":
            found = list(value)
        else:
            found = [item for group in value.values() for item in group]
        yield from ((field, item) for item in found if item)


def change(
    kind: type[Settings], settings: Settings, exact: Callable[[str, str, bool], list[str]]
) -> dict[str, Any]:
    """The settings as JSON values with every reference replaced by `exact(field, value, many)`; without `many` one value is due."""

    def each(field: str, items: Sequence[str]) -> list[str]:
        return [new for item in items for new in exact(field, item, True)]

    changed = settings.model_dump(mode="json")
    for field, shape in fields(kind).items():
        value = changed[field]
        if shape == "one":
            changed[field] = exact(field, value, False)[0] if value else value
        elif shape == "many":
            changed[field] = each(field, value)
        else:
            changed[field] = {name: each(field, group) for name, group in value.items()}
    return changed


def inputs(kind: type[Settings], settings: Settings) -> Iterator[tuple[str, str]]:
    """(field, value) of everything a stage reads: its references, and its corpus."""
    yield from values(kind, settings)
    corpus = getattr(settings, "corpus", "")
    if corpus and corpus_is_path(corpus):
        yield "corpus", corpus


def corpus_is_path(corpus: str) -> bool:
    """Whether a corpus is a file or folder, and not standard input, the packaged text or a hub's data set."""
    return corpus != "-" and corpus.partition(":")[0] not in NAMED_CORPORA


def locate(value: str, roots: Sequence[Path]) -> str:
    """A relative path as it stands if it exists there, otherwise under the first root that has it; anything else unchanged."""
    for root in roots:
        if value and (root / value).exists():
            return str(root / value)
    return value


def is_there(field: str, value: str) -> bool:
    """Whether an input exists, as far as can be told without loading it: models may also be an endpoint's or a hub's."""
    if Path(value).exists():
        return True
    if field in SEARCHED:
        return value.startswith(NETWORK_SEARCH)
    if field not in MODELS:
        return False
    hub = HUB_NAME.fullmatch(value)
    # OWNER/NAME looks like a path; where the first part is a folder here, a path was meant.
    return value.startswith(ENDPOINTS) or bool(hub and not Path(hub[1]).exists())
