"""Estimates the time that a run still needs."""

from __future__ import annotations

from collections.abc import Iterable

from masksearch.recipe.load import Stage
from masksearch.runtime import progress
from masksearch.runtime.progress import human_time

SCALE_LIMITS = (0.3, 5.0)
"""Smallest and largest factor by which we assume that this machine is slower than the machine on which
`expect_seconds` was measured."""


class Timing:
    """The time left, estimated from the recipe's `expect_seconds` and the speed of this machine so far."""

    def __init__(self, waiting: Iterable[Stage]) -> None:
        self.waiting = list(waiting)
        self.expected = self.actual = 0.0

    def done(self, stage: Stage, seconds: float, resumed: bool) -> None:
        """Counts a finished stage.

        The time of a resumed stage is not used to estimate the machine's speed, because it covers only a part
        of the stage's work.
        """
        self.waiting.remove(stage)
        if stage.expect_seconds and not resumed:
            self.expected += stage.expect_seconds
            self.actual += seconds

    def outlook(self, stage: Stage) -> str:
        """Returns the estimate for `stage` and for the rest of the run, as ` (about 6m, 11m left in all)`.

        Stages without `expect_seconds` count as 0 seconds; the text then has "more than" before the total.
        Also passes the expected seconds to the progress display.
        """
        scale = 1.0
        if self.expected:
            scale = min(max(self.actual / self.expected, SCALE_LIMITS[0]), SCALE_LIMITS[1])
        stage_seconds = (stage.expect_seconds or 0.0) * scale
        total = sum(waiting.expect_seconds or 0.0 for waiting in self.waiting) * scale
        progress.plan(stage_seconds, total - stage_seconds)
        if not total:
            return ""
        all_known = all(waiting.expect_seconds is not None for waiting in self.waiting)
        left = f"{'' if all_known else 'more than '}{rough_time(total)} left in all"
        return f" (about {rough_time(stage_seconds)}, {left})" if stage_seconds else f" ({left})"


def rough_time(seconds: float) -> str:
    """Formats seconds as an estimate with few digits: `8s`, `40s`, `6m`, `1h20m`."""
    if seconds < 10:
        return f"{max(1, round(seconds))}s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5}s"
    return f"{round(seconds / 60)}m" if seconds < 3600 else human_time(seconds)
