"""Rolls attacks out on tasks, rewards them as in training, and compares each with an honest answer to the
same task: a wrong one, or for right answers without grounds a right and grounded one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from masksearch.agent.loop import roll_out
from masksearch.agent.settings import AgentSettings
from masksearch.errors import UsageError
from masksearch.llm.base import Sampling
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.protocols import Searcher
from masksearch.scoring.rewards import Ledger, ask_judge, awaits_verdict, open_judge, reward_trajectory
from masksearch.scoring.rewards.audit.attacks import ATTACKS, HONEST, UNGROUNDED, Attack, Case
from masksearch.scoring.settings import AnswerReward, JudgeSettings, RewardSettings
from masksearch.text.nearest import guess
from masksearch.types import Question, Trajectory

FIRST = RewardSettings(answer="f1", gated=False, no_answer=0.0, no_search=0.0)
"""The first reward of this project, kept for comparison."""
GROUNDED = RewardSettings(grounding=0.5)
"""The default reward with a grounding reward."""
TOLERANCE = 1e-9
"""Tolerance for rounding errors in the comparison of a margin with the allowed margin."""


@dataclass(frozen=True)
class Outcome:
    """The result of one script under one reward, over all tasks."""

    earned: float | None
    """Mean total over the rollouts with a reward; None if no rollout has a reward."""
    margin: float | None
    """Largest difference between the total of a rollout and the total of the honest answer to the same task:
    for the scripts `UNGROUNDED` the right answer, if it is grounded; for all others the wrong answer. None if
    no task has both totals."""
    worst: str = ""
    """Id of the task with the largest margin."""
    left_out: int = 0
    """Number of rollouts without a reward, because the judge gave no verdict."""
    failed: bool = False
    """Whether `margin` exceeds the allowed margin, which is 0 for the scripts `UNGROUNDED`; always False for
    the honest rollouts."""


@dataclass(frozen=True)
class Audit:
    """The outcomes by reward and script; `statuses` counts how the rollouts of each script ended."""

    tasks: dict[str, int]
    """Number of tasks of each kind."""
    allowed: float
    """Largest margin at which an attack does not pay."""
    outcomes: dict[str, dict[str, Outcome]]
    statuses: dict[str, dict[str, int]] = field(default_factory=dict)

    def failures(self, reward: str) -> list[str]:
        """Returns the attacks that pay under a reward."""
        return [name for name, outcome in self.outcomes[reward].items() if outcome.failed]

    def to_json(self) -> dict[str, Any]:
        """Returns the audit as JSON values."""
        rewards = {
            reward: {name: asdict(outcome) for name, outcome in outcomes.items()}
            for reward, outcomes in self.outcomes.items()
        }
        return {"tasks": self.tasks, "allowed": self.allowed, "rewards": rewards, "statuses": self.statuses}


def reward_names() -> tuple[str, ...]:
    """Returns the names of the rewards that can be audited."""
    return ("default", *get_args(AnswerReward), "first", "grounded")


def named_reward(name: str, judge: JudgeSettings) -> RewardSettings:
    """Returns the settings of a named reward.

    Raises UsageError for an unknown name and for a judge without an endpoint.
    """
    if name not in reward_names():
        raise UsageError(
            f"There is no reward '{name}'{guess(name, reward_names())}; the rewards are "
            f"{', '.join(reward_names())}."
        )
    if name == "judge" and not (judge.url and judge.model):
        raise UsageError(
            "The reward 'judge' needs an endpoint and a model; set them with --judge.url and --judge.model."
        )
    if name in ("first", "grounded"):
        return FIRST if name == "first" else GROUNDED
    if name == "default":
        return RewardSettings()
    judge = judge if name == "judge" else JudgeSettings()
    return RewardSettings.model_validate({"answer": name, "judge": judge})


def audit(
    cases: Sequence[Case],
    searcher: Searcher,
    rewards: dict[str, RewardSettings],
    agent: AgentSettings,
    allowed: float = 0.1,
    cache: Path | None = None,
) -> Audit:
    """Runs every script on every case and scores the rollouts under each reward.

    `cache` is the file of the judge's verdicts. Raises ModelError if the judge's endpoint refuses requests.
    """
    scripts = {**HONEST, **ATTACKS, **UNGROUNDED}
    rolled = {name: _roll_out(attack, cases, searcher, agent) for name, attack in scripts.items()}
    outcomes = {
        reward: _outcomes(rolled, settings, agent, allowed, cache) for reward, settings in rewards.items()
    }
    statuses = {
        name: _count(trajectory.status for trajectory in trajectories)
        for name, trajectories in rolled.items()
    }
    return Audit(_kinds(cases), allowed, outcomes, statuses)


def _roll_out(
    attack: Attack, cases: Sequence[Case], searcher: Searcher, agent: AgentSettings
) -> list[Trajectory]:
    scripts = iter([attack(case) for case in cases])
    # With limit=1 the loop opens one session per task, in the order of the tasks, so the scripts match
    # their cases.
    policy = ScriptedPolicy(lambda messages: next(scripts), "attack")
    tasks = [case.task for case in cases]
    episodes = roll_out(tasks, policy, searcher, agent, [Sampling()] * len(cases), limit=1)
    return [episode.trajectory for episode in episodes]


def _outcomes(
    rolled: dict[str, list[Trajectory]],
    settings: RewardSettings,
    agent: AgentSettings,
    allowed: float,
    cache: Path | None,
) -> dict[str, Outcome]:
    flat = [trajectory for trajectories in rolled.values() for trajectory in trajectories]
    ledgers = iter(reward_all(flat, settings, agent, cache))
    found = {name: [next(ledgers) for _ in trajectories] for name, trajectories in rolled.items()}
    totals = {name: [ledger.total for ledger in rows] for name, rows in found.items()}
    wrong = totals["honest wrong"]
    right = [ledger.total if ledger.grounding else None for ledger in found["honest right"]]
    names = [trajectory.id for trajectory in rolled["honest wrong"]]
    return {
        name: _outcome(
            earned,
            right if name in UNGROUNDED else wrong,
            names,
            0.0 if name in UNGROUNDED else allowed,
            name not in HONEST,
        )
        for name, earned in totals.items()
    }


def reward_all(
    trajectories: Sequence[Trajectory], settings: RewardSettings, agent: AgentSettings, cache: Path | None
) -> list[Ledger]:
    """Computes the ledgers of rollouts. If the reward is the judge's verdict, asks the judge first."""
    may_search = agent.max_searches > 0
    ledgers = [
        reward_trajectory(trajectory, settings, agent.answer_form, may_search) for trajectory in trajectories
    ]
    waiting = [place for place, ledger in enumerate(ledgers) if awaits_verdict(ledger)]
    if waiting:
        verdicts = ask_judge(open_judge(settings.judge, cache), [trajectories[place] for place in waiting])
        for place, verdict in zip(waiting, verdicts, strict=True):
            ledgers[place] = reward_trajectory(
                trajectories[place], settings, agent.answer_form, may_search, verdict
            )
    return ledgers


def _outcome(
    earned: Sequence[float | None],
    honest: Sequence[float | None],
    names: Sequence[str],
    allowed: float,
    is_attack: bool,
) -> Outcome:
    known = [value for value in earned if value is not None]
    margins = [
        (value - base, name)
        for value, base, name in zip(earned, honest, names, strict=True)
        if value is not None and base is not None
    ]
    margin, worst = max(margins, default=(None, ""))
    failed = is_attack and margin is not None and margin > allowed + TOLERANCE
    return Outcome(
        sum(known) / len(known) if known else None, margin, worst, len(earned) - len(known), failed
    )


def _kinds(cases: Sequence[Case]) -> dict[str, int]:
    return _count(
        "questions" if isinstance(case.task, Question) else f"masked texts, masks: {len(case.golds)}"
        for case in cases
    )


def _count(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
