"""Alarms: signs of a training collapse, found in the rows of the training log (log.jsonl).

The checks read the log and nothing else. The log of a resumed run still has the rows from before the
interruption, so a resumed run raises the same alarms as an uninterrupted run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from masksearch.runtime.progress import say
from masksearch.train.settings import AlarmName, AlarmSettings

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Alarm:
    """A sign of a collapse: the alarm's name, and a text that gives the metrics and a remedy."""

    name: AlarmName
    text: str


class RunStopped(Exception):
    """Raised to end the training loop at an alarm. The settings decide if the stage then ends or fails."""

    def __init__(self, alarm: Alarm) -> None:
        super().__init__(alarm.text)
        self.alarm = alarm


def not_finite(what: str, value: float, step: int) -> Alarm:
    """Builds the alarm `nan` for a value that is not finite; `what` is "loss" or "gradient"."""
    return Alarm(
        "nan",
        f"The {what} is {value} in step {step}; lower learning_rate or max_grad_norm, or compute in float32.",
    )


def refuse_not_finite(loss: float, step: int) -> None:
    """Raises RunStopped for a loss that is not finite.

    The trainers call this before the optimizer step, so the bad gradient does not reach the weights.
    """
    if not math.isfinite(loss):
        raise RunStopped(not_finite("loss", loss, step))


def check(rows: Sequence[Row], settings: AlarmSettings) -> list[Alarm]:
    """Returns the alarms that the last row raises; `rows` are all rows of the log so far.

    Each row has the key `step`. Metrics may be missing: if no token of a step carries loss, its row has no
    entropy and no ratio.
    """
    if not rows:
        return []
    last = rows[-1]
    found = [
        not_finite(what, last[key], last["step"])
        for key, what in (("loss", "loss"), ("grad_norm", "gradient"))
        if _is_not_finite(last.get(key))
    ]
    same_stage = [row for row in rows if row.get("stage") == last.get("stage")]
    checks = (
        _unfilled(rows, settings),
        _entropy(same_stage, settings),
        _ratio(same_stage, settings),
        *_falls(same_stage, settings),
    )
    return found + [alarm for alarm in checks if alarm]


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not math.isfinite(value)


def _values(rows: Sequence[Row], key: str) -> list[float]:
    return [
        float(row[key]) for row in rows if isinstance(row.get(key), int | float) and math.isfinite(row[key])
    ]


def _means(values: Sequence[float], window: int) -> list[float]:
    """Returns the moving averages of `values`, each over `window` values; empty if there are fewer."""
    return [fmean(values[end - window : end]) for end in range(window, len(values) + 1)]


def _falls(rows: Sequence[Row], settings: AlarmSettings) -> Iterator[Alarm | None]:
    """Yields one entry per metric: an alarm if the metric's moving average fell too far below its maximum,
    else None."""
    # one tuple per metric: (alarm, key in the log, largest allowed fall, description, remedy)
    checks: tuple[tuple[AlarmName, str, float, str, str], ...] = (
        (
            "likelihood",
            "right_logprob",
            settings.likelihood_drop,
            "mean log-probability of right rollouts, per token,",
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
    for name, key, drop, what, remedy in checks:
        means = _means(_values(rows, key), settings.window)
        if len(means) > 1 and max(means) - means[-1] > drop:
            form = ".1%" if name == "format" else ".3g"
            fall = f"The {what} has fallen from {max(means):{form}} to {means[-1]:{form}}"
            yield Alarm(name, f"{fall} by step {rows[-1]['step']}; {remedy}.")
        else:
            yield None


def _entropy(rows: Sequence[Row], settings: AlarmSettings) -> Alarm | None:
    means = _means(_values(rows, "entropy"), settings.window)
    if len(means) < 2 or means[-1] >= settings.entropy_share * means[0]:
        return None
    fall = f"The entropy has fallen from {means[0]:.3g} to {means[-1]:.3g} by step {rows[-1]['step']}"
    return Alarm("entropy", f"{fall}; lower learning_rate, or raise clip_high.")


def _ratio(rows: Sequence[Row], settings: AlarmSettings) -> Alarm | None:
    means = _means(_values(rows, "ratio"), min(settings.window, len(rows)))
    if not means or 1 / settings.ratio_limit <= means[-1] <= settings.ratio_limit:
        return None
    mean = f"The mean ratio of new to old probabilities is {means[-1]:.3g} at step {rows[-1]['step']}"
    return Alarm(
        "ratio",
        f"{mean}: rollouts and training compute different probabilities for the same tokens; "
        "choose float32, or lower learning_rate.",
    )


def _unfilled(rows: Sequence[Row], settings: AlarmSettings) -> Alarm | None:
    """Returns the alarm `unfilled` if none of the last `empty_steps` steps had a group to train on, else
    None."""
    recent = rows[-settings.empty_steps :]
    if len(recent) < settings.empty_steps or any(row.get("groups_kept", 1) for row in recent):
        return None
    names = ("groups_solved", "groups_hopeless", "groups_disturbed", "groups_sampled")
    solved, hopeless, disturbed, sampled = (sum(int(row.get(key, 0)) for row in recent) for key in names)
    failed = f", {disturbed} dropped because a search or the model's server failed" if disturbed else ""
    # A group with failures can also count as all right or all wrong, so failures are checked first.
    if 2 * disturbed > sampled:
        remedy = "Make the search reliable (search_errors in rollouts.jsonl has its errors)"
    elif hopeless >= solved:
        remedy = "Use easier tasks, more SFT before, or a larger group_size"
    else:
        remedy = "Use harder tasks: the model has learnt these"
    return Alarm(
        "unfilled",
        f"For {settings.empty_steps} steps, up to step {rows[-1]['step']}, none of {sampled} groups could be "
        f"trained on ({solved} all right, {hopeless} all wrong{failed}). {remedy}.",
    )


class Watch:
    """Checks each new log row: raises RunStopped at an alarm in `stop_on`, and reports other alarms once."""

    def __init__(self, settings: AlarmSettings, rows: Sequence[Row]) -> None:
        """`rows` are the log rows that the run wrote before it was resumed; empty for a new run."""
        self.settings, self.rows = settings, list(rows)
        self.reported: set[str] = set()

    def add_row(self, row: Row) -> None:
        """Adds a row of the log and checks it. Raises RunStopped at an alarm that stops the run."""
        self.rows.append(row)
        alarms = check(self.rows, self.settings)
        for alarm in alarms:
            if alarm.name in self.settings.stop_on:
                raise RunStopped(alarm)
        for alarm in alarms:
            if alarm.name not in self.reported:
                self.reported.add(alarm.name)
                remark = f"Training continues; alarms.stop_on = {alarm.name} would have stopped it."
                say(f"  {alarm.text} ({remark})")


def train_until_alarm(trainer: Any, state: str | None) -> Alarm | None:
    """Trains until the last step or until an alarm stops the run.

    Shows and returns the alarm, or returns None after the last step. `state` is the saved state to resume
    from; None starts from the beginning.
    """
    try:
        trainer.train(resume_from_checkpoint=state)
    except RunStopped as stop:
        # The exception skipped the end of trainer.train(), which would have closed the callbacks.
        trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)
        say(f"  stopped: {stop}")
        return stop.alarm
    return None
