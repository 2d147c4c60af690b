"""Signs that a training is going to pieces, told from the rows of its log; and what is said where memory does not suffice.

The checks are functions of the log alone, so that a resumed run, whose log holds the earlier rows, judges as the run without a break.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from masksearch.errors import TrainingError
from masksearch.runtime.progress import say
from masksearch.train.settings import AlarmName, AlarmSettings

Row = Mapping[str, Any]
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
"""How torch puts it, on a GPU and on a CPU."""


@dataclass(frozen=True)
class Alarm:
    """One sign, with a sentence that tells what was seen."""

    name: AlarmName
    text: str


class RunStopped(Exception):
    """Ends the training's loop; what follows is up to the settings."""

    def __init__(self, alarm: Alarm) -> None:
        super().__init__(alarm.text)
        self.alarm = alarm


def not_finite(what: str, value: float, step: int) -> Alarm:
    """The alarm `nan`."""
    return Alarm(
        "nan",
        f"The {what} is {value} in step {step}; lower learning_rate or max_grad_norm, or compute in float32.",
    )


def refuse_not_finite(loss: float, step: int) -> None:
    """Raises RunStopped for a loss that is not finite: before its gradient reaches the weights."""
    if not math.isfinite(loss):
        raise RunStopped(not_finite("loss", loss, step))


def check(rows: Sequence[Row], settings: AlarmSettings) -> list[Alarm]:
    """The alarms that the last of these rows of a log raises; each has `step`, and whatever figures there are."""
    if not rows:
        return []
    last = rows[-1]
    found = [
        not_finite(what, last[key], last["step"])
        for key, what in (("loss", "loss"), ("grad_norm", "gradient"))
        if _bad(last.get(key))
    ]
    same = [row for row in rows if row.get("stage") == last.get("stage")]
    checks = (
        _unfilled(rows, settings),
        _entropy(same, settings),
        _ratio(same, settings),
        *_falls(same, settings),
    )
    return found + [alarm for alarm in checks if alarm]


def _bad(value: Any) -> bool:
    return isinstance(value, int | float) and not math.isfinite(value)


def _values(rows: Sequence[Row], key: str) -> list[float]:
    return [
        float(row[key]) for row in rows if isinstance(row.get(key), int | float) and math.isfinite(row[key])
    ]


def _means(values: Sequence[float], window: int) -> list[float]:
    """Means over every `window` values in a row."""
    return [fmean(values[end - window : end]) for end in range(window, len(values) + 1)]


def _falls(rows: Sequence[Row], settings: AlarmSettings) -> Iterator[Alarm | None]:
    wanted: tuple[tuple[AlarmName, str, float, str, str], ...] = (
        (
            "likelihood",
            "right_logprob",
            settings.likelihood_drop,
            "mean log-probability of right rollouts, a token,",
            "lower learning_rate, or set beta above 0",
        ),
        ("reward", "reward", settings.reward_drop, "reward", "lower learning_rate"),
        (
            "format",
            "valid",
            settings.format_drop,
            "share of rollouts in valid form",
            "lower learning_rate, or raise reward.format",
        ),
    )
    for name, key, drop, what, remedy in wanted:
        means = _means(_values(rows, key), settings.window)
        fallen = len(means) > 1 and max(means) - means[-1] > drop
        text = (
            f"The {what} has fallen from {max(means):.3g} to {means[-1]:.3g} by step {rows[-1]['step']}; {remedy}."
            if fallen
            else ""
        )
        yield Alarm(name, text) if fallen else None


def _entropy(rows: Sequence[Row], settings: AlarmSettings) -> Alarm | None:
    means = _means(_values(rows, "entropy"), settings.window)
    if len(means) < 2 or means[-1] >= settings.entropy_share * means[0]:
        return None
    step = rows[-1]["step"]
    return Alarm(
        "entropy",
        f"The entropy has fallen from {means[0]:.3g} to {means[-1]:.3g} by step {step}; lower learning_rate, or raise clip_high.",
    )


def _ratio(rows: Sequence[Row], settings: AlarmSettings) -> Alarm | None:
    means = _means(_values(rows, "ratio"), min(settings.window, len(rows)))
    if not means or 1 / settings.ratio_limit <= means[-1] <= settings.ratio_limit:
        return None
    told = f"The mean ratio of new to old probabilities is {means[-1]:.3g} at step {rows[-1]['step']}"
    return Alarm(
        "ratio",
        f"{told}: rollouts and training do not compute the same model; choose float32, or lower learning_rate.",
    )


def _unfilled(rows: Sequence[Row], settings: AlarmSettings) -> Alarm | None:
    recent = rows[-settings.empty_steps :]
    if len(recent) < settings.empty_steps or any(row.get("groups_kept", 1) for row in recent):
        return None
    names = ("groups_solved", "groups_hopeless", "groups_disturbed", "groups_sampled")
    solved, hopeless, disturbed, sampled = (sum(int(row.get(key, 0)) for row in recent) for key in names)
    told = f"For {settings.empty_steps} steps not one of {sampled} groups could be trained on ({solved} all right, {hopeless} all wrong"
    told += f", {disturbed} put aside because a search or the model's server failed)" if disturbed else ")"
    remedy = (
        "easier tasks, more SFT before, or a larger group_size"
        if hopeless >= solved
        else "harder tasks: these are learnt"
    )
    # A group that failed searches touched may be all right or all wrong besides.
    remedy = (
        "a search that does not fail (search_errors in rollouts.jsonl)" if 2 * disturbed > sampled else remedy
    )
    return Alarm("unfilled", f"{told}, up to step {rows[-1]['step']}; it takes {remedy}.")


class Watch:
    """Raises RunStopped where an alarm that stops is on, and tells any other once. `rows` are those of the log before."""

    def __init__(self, settings: AlarmSettings, rows: Sequence[Row]) -> None:
        self.settings, self.rows = settings, list(rows)
        self.told: set[str] = set()

    def see(self, row: Row) -> None:
        """Takes in a row of the log."""
        self.rows.append(row)
        alarms = check(self.rows, self.settings)
        for alarm in alarms:
            if alarm.name in self.settings.stop_on:
                raise RunStopped(alarm)
        for alarm in alarms:
            if alarm.name not in self.told:
                self.told.add(alarm.name)
                say(
                    f"  {alarm.text} (Training goes on; alarms.stop_on = {alarm.name} would have stopped it.)"
                )


def train_until_alarm(trainer: Any, state: str | None) -> Alarm | None:
    """Trains from a saved state (or the beginning) to the end, or until an alarm, which is told and returned."""
    try:
        trainer.train(resume_from_checkpoint=state)
    except RunStopped as stop:
        trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
        say(f"  stopped: {stop}")
        return stop.alarm
    return None


@contextmanager
def telling_memory(remedy: Callable[[], str]) -> Iterator[None]:
    """A lack of memory becomes a TrainingError that says which settings to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise TrainingError(
                f"The memory does not suffice: {remedy()}. The same command goes on from the last saved step."
            ) from error
        raise
