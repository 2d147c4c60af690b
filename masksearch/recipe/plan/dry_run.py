"""The plan of a run, for `masksearch run --dry-run`: what it would do with each stage, and why.

Reads recipes, marks and the files that the stages read; computes and writes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from masksearch.errors import UsageError
from masksearch.recipe.load import Recipe, Stage
from masksearch.recipe.plan.differences import CHANGED, WILL_RUN
from masksearch.recipe.plan.kept import REPLACED, human_size, kept_text, size
from masksearch.recipe.plan.selection import Selection, check_needs, select
from masksearch.recipe.plan.state import State, earlier_stages, examine, is_usable, spent_before
from masksearch.recipe.plan.timing import Timing
from masksearch.recipe.stage_folders import adopt_record, product_paths, stage_folders
from masksearch.runtime import colour
from masksearch.runtime.progress import human_time, rough_time
from masksearch.runtime.resume import WorkFolder

PHRASES = {
    "done": "done already",
    "put back": "done, would be put back",
    "resume": "would be resumed",
    "start": "would run",
    "replace": "would run again",
    "refused": "could not run",
}
COLOURS = {"done": "dim", "put back": "green", "replace": "yellow", "refused": "red"}


@dataclass(frozen=True)
class Plan:
    """What a run would do: the state of each chosen stage, in order."""

    recipe: Recipe
    out: Path
    selection: Selection
    states: Mapping[str, State]
    folders: Mapping[str, WorkFolder]
    timing: Timing

    @property
    def refusals(self) -> list[str]:
        """The reasons for which the run would stop."""
        return [state.because for state in self.states.values() if state.action == "refused"]


def plan_run(recipe: Recipe, out: Path, until: Sequence[str] = (), only: Sequence[str] = ()) -> Plan:
    """Returns what `run_recipe` would do with the same arguments. Raises the errors that it would raise
    before the first stage."""
    selection = select(recipe, until, only)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, but the run needs a folder; choose another --out.")
    folders = stage_folders(recipe, out)
    check_needs(selection, lambda name: is_usable(folders[name]))
    earlier, products = earlier_stages(out), product_paths(recipe, out)
    states: dict[str, State] = {}
    for stage in recipe.stages:
        words = {name: WILL_RUN if state.runs else CHANGED for name, state in states.items()}
        adopted = adopt_record(folders[stage.name], stage, products)
        if adopted:
            state = State("done", (), float(adopted.get("seconds", 0.0)))
        else:
            state = examine(folders[stage.name], {**_unknown(recipe), **words}, earlier.get(stage.name))
        if state.action == "done":
            state = replace(state, reasons=tuple(_doubts(stage, states, folders)))
        if stage in selection:
            states[stage.name] = state
    waiting = [stage for stage in selection.stages if states[stage.name].runs]
    measured = [(stage, states[stage.name].seconds) for stage in selection.stages if stage not in waiting]
    spent = {stage.name: spent_before(folders[stage.name]) for stage in waiting}
    return Plan(recipe, out, selection, states, folders, Timing(waiting, measured, spent))


def _unknown(recipe: Recipe) -> dict[str, str]:
    return {stage.name: CHANGED for stage in recipe.stages}


def _doubts(stage: Stage, states: Mapping[str, State], folders: Mapping[str, WorkFolder]) -> Iterator[str]:
    """Yields why a stage that is done may run again: a stage that it reads may end with another product,
    because its product is incomplete so far, or because it may run again itself."""
    for need in stage.needs:
        state = states.get(need)
        incomplete = state is not None and state.runs and folders[need].done()
        if state is not None and (incomplete or (state.action == "done" and state.reasons)):
            yield f"runs again if the product of '{need}' changes"


def render(plan: Plan) -> str:
    """Returns the plan as text: a line for each stage, its reasons below it, and the time in all."""
    stages, states = plan.recipe.stages, plan.states
    width = max(len(stage.name) for stage in plan.selection.stages)
    lines = [f"Plan of {plan.out} (recipe {plan.recipe.name}); nothing is computed or written.", ""]
    for number, stage in enumerate(stages, 1):
        if stage.name not in states:
            continue
        state = states[stage.name]
        phrase = f"{PHRASES[state.action]:<{max(map(len, PHRASES.values()))}}"
        place = f"[{number}/{len(stages)}]".rjust(2 * len(str(len(stages))) + 3)
        style = COLOURS.get(state.action)
        shown = colour.style(phrase, style, stream=sys.stdout) if style else phrase
        name = f"{colour.bold(stage.name)}{'':{width - len(stage.name)}}"
        lines.append(f"{place} {name}  {shown}  {_time(plan, stage)}".rstrip())
        lines += [f"{'':{len(place) + 3}}{reason}" for reason in state.reasons]
    return "\n".join([*lines, "", *_summary(plan)])


def _time(plan: Plan, stage: Stage) -> str:
    state = plan.states[stage.name]
    if not state.runs:
        return human_time(state.seconds) if state.action != "refused" else ""
    seconds = plan.timing.seconds(stage)
    if seconds is not None:
        return f"about {rough_time(seconds)}"
    return f"took {human_time(state.seconds)} before" if state.action == "replace" and state.seconds else ""


def _summary(plan: Plan) -> Iterator[str]:
    runs = [name for name, state in plan.states.items() if state.runs]
    chosen = len(plan.states)
    of = f"{chosen} stage{'s' if chosen != 1 else ''}" + ("" if plan.selection.all else " chosen")
    total, all_known = plan.timing.total()
    time = f": {'about' if all_known else 'more than'} {rough_time(total)}" if total else ""
    yield f"Would run {len(runs)} of {of}{time}." if runs else f"Nothing is left to run: {of} done."
    replaced = [name for name in runs if plan.states[name].action == "replace"]
    if replaced:
        amount = human_size(sum(size(plan.folders[name].folder) for name in replaced))
        yield f"Would keep the replaced work in {plan.out / REPLACED} ({amount}); --prune deletes it instead."
    kept = kept_text(plan.folders.values())
    if kept:
        yield kept
