"""Estimates the time that a run still needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from masksearch.recipe.load import Stage
from masksearch.runtime import progress
from masksearch.runtime.progress import rough_time

SCALE_LIMITS = (0.3, 5.0)
"""Smallest and largest factor by which we assume that this machine is slower than the machine on which
`expect_seconds` was measured."""
RATIO_LIMITS = (0.1, 10.0)
"""Smallest and largest factor that a single stage counts with."""
PRIOR_SECONDS = 60.0
"""Weight, in expected seconds, of the assumption that this machine is as fast as the other. Stages that take
a few seconds, such as the download of a model, hardly move the estimate away from it."""
LEAST_LEFT = 0.1
"""Share of its expected time that a resumed stage takes at least."""


class Timing:
    """The time left, estimated from the recipe's `expect_seconds` and the speed of this machine so far."""

    def __init__(
        self,
        waiting: Iterable[Stage],
        measured: Iterable[tuple[Stage, float]] = (),
        spent: Mapping[str, float] | None = None,
    ) -> None:
        """`measured` are finished stages with their seconds, `spent` the seconds of interrupted attempts
        that the waiting stages resume."""
        self.waiting = list(waiting)
        self.spent = dict(spent or {})
        self.weight = self.weighted = 0.0
        for stage, seconds in measured:
            self._measure(stage, seconds)

    def _measure(self, stage: Stage, seconds: float) -> None:
        if stage.expect_seconds and seconds > 0:
            ratio = min(max(seconds / stage.expect_seconds, RATIO_LIMITS[0]), RATIO_LIMITS[1])
            self.weight += stage.expect_seconds
            self.weighted += stage.expect_seconds * math.log(ratio)

    def done(self, stage: Stage, seconds: float, resumed: bool) -> None:
        """Counts a finished stage.

        The time of a resumed stage is not used to estimate the machine's speed, because it covers only a part
        of the stage's work.
        """
        self.waiting.remove(stage)
        if not resumed:
            self._measure(stage, seconds)

    @property
    def scale(self) -> float:
        """Factor by which this machine takes longer than the recipe expects: the geometric mean over the
        finished stages and the assumption 1, weighted by expected seconds."""
        scale = math.exp(self.weighted / (self.weight + PRIOR_SECONDS))
        return min(max(scale, SCALE_LIMITS[0]), SCALE_LIMITS[1])

    def seconds(self, stage: Stage) -> float | None:
        """Returns the seconds that `stage` still needs; None without `expect_seconds`."""
        if stage.expect_seconds is None:
            return None
        whole = stage.expect_seconds * self.scale
        return max(whole - self.spent.get(stage.name, 0.0), LEAST_LEFT * whole)

    def total(self) -> tuple[float, bool]:
        """Returns the seconds of all waiting stages, and whether all of them are known."""
        known = [self.seconds(stage) for stage in self.waiting]
        return sum(seconds for seconds in known if seconds is not None), None not in known

    def outlook(self, stage: Stage) -> str:
        """Returns the estimate for `stage` and for the rest of the run, as ` (about 6m, 11m left in all)`.

        Stages without `expect_seconds` count as 0 seconds; the text then has "more than" before the total.
        Also passes the expected seconds to the progress display.
        """
        stage_seconds = self.seconds(stage) or 0.0
        total, all_known = self.total()
        progress.plan(stage_seconds, total - stage_seconds)
        if not total:
            return ""
        left = f"{'' if all_known else 'more than '}{rough_time(total)} left in all"
        return f" (about {rough_time(stage_seconds)}, {left})" if stage_seconds else f" ({left})"
