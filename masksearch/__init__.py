"""MaskSearch: turns any text corpus into search skill (Retrieval-Augmented Mask Prediction, RAMP).

    from masksearch import Corpus, Index, ask, evaluate, mask, sft, synthesize

    corpus = Corpus([{"title": "Radium", "text": "..."}, ...], folder="runs/mine")
    index = Index.build(corpus)
    tasks = mask(corpus, index=index, limit=200)
    model = sft("checkpoint", synthesize(tasks, index))
    print(ask(index, "Who discovered radium?", model=model).answer)

Products:   Corpus, Index, Tasks, Trajectories, Checkpoint, Evaluation, Comparison, Reply
Stages:     build_index, mask, synthesize, base_model, sft, rl, self_evolve, evaluate, compare, write_report
Questions:  ask, open_agent (for coroutines)
Errors:     MaskSearchError is the base of all; its message is a sentence for users

The functions are those of the commands: they take the same settings as keyword arguments, check them, keep
the same marks in the product's folder, and resume. `help(masksearch.sft)` lists the settings of a function.
Each name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from masksearch.api.asking import ask, open_agent
    from masksearch.api.index import Index
    from masksearch.api.products import (
        Checkpoint,
        Comparison,
        Corpus,
        Evaluation,
        Tasks,
        Trajectories,
    )
    from masksearch.api.stages import (
        base_model,
        build_index,
        compare,
        evaluate,
        mask,
        rl,
        self_evolve,
        sft,
        synthesize,
        write_report,
    )
    from masksearch.asking.agent import Agent, Reply
    from masksearch.errors import MaskSearchError

__version__ = "0.1.0"
__all__ = [
    "Agent",
    "Checkpoint",
    "Comparison",
    "Corpus",
    "Evaluation",
    "Index",
    "MaskSearchError",
    "Reply",
    "Tasks",
    "Trajectories",
    "__version__",
    "ask",
    "base_model",
    "build_index",
    "compare",
    "evaluate",
    "mask",
    "open_agent",
    "rl",
    "self_evolve",
    "sft",
    "synthesize",
    "write_report",
]
_MODULES = {
    "masksearch.api.asking": ("ask", "open_agent"),
    "masksearch.api.index": ("Index",),
    "masksearch.api.products": (
        "Checkpoint",
        "Comparison",
        "Corpus",
        "Evaluation",
        "Tasks",
        "Trajectories",
    ),
    "masksearch.api.stages": (
        "base_model",
        "build_index",
        "compare",
        "evaluate",
        "mask",
        "rl",
        "self_evolve",
        "sft",
        "synthesize",
        "write_report",
    ),
    "masksearch.asking.agent": ("Agent", "Reply"),
    "masksearch.errors": ("MaskSearchError",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports a name of the interface when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'masksearch' has no attribute '{name}'")
    import importlib

    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
