"""What a run does with a stage, and why: judged from the marks of earlier work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from masksearch.errors import UsageError
from masksearch.recipe.plan.differences import differences
from masksearch.recipe.plan.kept import find_kept
from masksearch.runtime.progress import human_time
from masksearch.runtime.resume import WorkFolder, read_mark

Action = Literal["done", "put back", "resume", "start", "replace", "refused"]
MOST_REASONS = 6
REMEDY = "move it away, or choose another --out"


@dataclass(frozen=True)
class State:
    """What a run does with a stage.

    `done`      nothing: the product is complete
    `put back`  puts complete work back that an earlier run had replaced
    `resume`    resumes work with the stage's key, in its place or put back
    `start`     runs the stage for the first time
    `replace`   runs the stage again, because the earlier work has another key
    `refused`   stops, because the folder holds files that a run must not replace
    """

    action: Action
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0
    """Seconds that the work took, as far as it goes."""

    @property
    def runs(self) -> bool:
        """Whether the stage's function is called."""
        return self.action in ("resume", "start", "replace")

    @property
    def because(self) -> str:
        """The reasons on one line."""
        shown = list(self.reasons[:MOST_REASONS])
        if len(self.reasons) > MOST_REASONS:
            shown.append(f"and {len(self.reasons) - MOST_REASONS} more differences")
        return "; ".join(shown)


def examine(folder: WorkFolder, stages: Mapping[str, str], earlier: Mapping[str, Any] | None = None) -> State:
    """Returns what a run does with the stage of a work folder. Reads only marks.

    `stages` maps the names of the recipe's stages to words for their state (see `differences`). `earlier` is
    the stage's table in RUN/recipe.json; it has the settings of work that an earlier version marked.
    """
    if done := folder.complete():
        return State("done", (), float(done.get("seconds", 0.0)))
    try:
        folder.check_free(REMEDY)
    except UsageError as error:
        return State("refused", (str(error),))
    if kept := find_kept(folder):
        done = kept.complete()
        reasons = (f"kept in {kept.folder}",) if done else (f"kept in {kept.folder}", *_why_resumed(kept))
        return State("put back" if done else "resume", reasons, _seconds(kept))
    mark = folder.mark()
    if not mark:
        return State("start")
    if folder.holds_this_work():
        return State("resume", _why_resumed(folder), _seconds(folder))
    recorded = mark.get("made_from") or dict(earlier or {})
    return State("replace", tuple(differences(recorded, folder.basis, stages)), _seconds(folder))


def is_free(folder: WorkFolder) -> bool:
    """Whether a run may replace what the stage's folder holds."""
    try:
        folder.check_free(REMEDY)
    except UsageError:
        return False
    return True


def is_usable(folder: WorkFolder) -> bool:
    """Whether the stage has a product with its present key, in its place or kept; an incomplete product
    counts too."""
    return (folder.done() or (find_kept(folder) or folder).done()) is not None


def spent_before(folder: WorkFolder) -> float:
    """Returns the seconds of an interrupted attempt that the stage resumes."""
    place = find_kept(folder) or folder
    return _seconds(place) if place.holds_this_work() and not place.done() else 0.0


def _seconds(folder: WorkFolder) -> float:
    record = read_mark(folder.done_file) or folder.mark()
    return float(record.get("seconds") or 0.0)


def _why_resumed(folder: WorkFolder) -> tuple[str, ...]:
    if folder.done():
        return ("its product is unfinished",)
    if read_mark(folder.done_file).get("key") == folder.key:
        return (f"its product {folder.product} is missing",)
    spent = _seconds(folder)
    return (f"interrupted after {human_time(spent)}" if spent >= 1 else "interrupted",)


def earlier_stages(run: Path) -> dict[str, Any]:
    """Returns the stages in RUN/recipe.json, the recipe of the last run in this folder: name -> table."""
    stages = read_mark(run / "recipe.json").get("stages")
    return stages if isinstance(stages, dict) else {}
