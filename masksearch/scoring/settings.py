"""Settings of the judge, the reward and its audit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.settings import Ref, Refs, Settings

AnswerReward = Literal["em", "f1", "recall", "recall-length", "judge"]


class JudgeSettings(Settings):
    """A language model as judge of the answers; none without a `url`."""

    url: str = ""
    """Base URL of an OpenAI-compatible endpoint; its key is read from JUDGE_API_KEY, else from OPENAI_API_KEY."""
    model: str = ""
    """Name of the model at that endpoint."""
    modes: tuple[Literal["strict", "relaxed"], ...] = Field(("strict", "relaxed"), min_length=1)
    """strict: everything in the answer must be right; relaxed: its main answer. Both are counted where both are asked for."""
    prompts: str = ""
    """Folder with prompt files in place of ours (judge-strict.j2, judge-relaxed.j2, judge-item.j2, judge-repair.j2)."""
    max_tokens: int = Field(512, ge=1)
    """Of a verdict."""
    concurrency: int = Field(8, ge=1)
    """Requests at a time."""
    timeout: float = Field(120.0, gt=0)
    """Seconds until a request counts as failed."""
    retries: int = Field(4, ge=0)
    """Further tries of a request that failed in a way that may pass."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Share of the answers that the endpoint may leave without a verdict; above it there is no result."""


class RewardSettings(Settings):
    """Reward = answer_weight * answer + format * valid form + overlong * DAPO's length penalty - no_answer - no_search, where these happened.

    The first reward of this project, F1 + 0.2 * valid form + length penalty: answer = "f1", gated = false, no_answer = 0, no_search = 0.
    """

    answer: AnswerReward = "em"
    """What an answer earns, in [0, 1], the mean over the masks of a masked text: em (exact match), f1, recall (of the gold's tokens), recall-length (recall,
    less where the answer is long), judge (the verdict of a model at `judge.url`)."""
    answer_weight: float = Field(1.0, ge=0)
    gated: bool = True
    """An answer earns only in a rollout of valid form that searched, where it may; the same words for two masks with different golds earn for neither, and
    a filled paragraph far longer than its text earns nothing."""
    length_factor: float = Field(2.0, ge=1)
    """recall-length: an answer may be so many times as long as the gold, in tokens; of a longer one the recall counts in that proportion."""
    judge: JudgeSettings = Field(JudgeSettings(), validate_default=True)
    """The strict verdict counts, or the relaxed one where that alone is among `modes`. A rollout without a verdict is left out of its group."""
    format: float = Field(0.2, ge=0)
    overlong: float = Field(1.0, ge=0)
    """Weight of the length penalty, which lies in [-1, 0]."""
    no_answer: float = Field(0.1, ge=0)
    """Taken off where a rollout ends without an answer, or with an empty one."""
    no_search: float = Field(0.1, ge=0)
    """Taken off where a rollout answers without a search that it might have made."""
    search_credit: float = Field(0.0, ge=0)
    """Per-mask credit: the advantage of a search turn grows by so much times the share of the masks whose gold its results were the first to show, less the
    mean of that share over the group's searches. 0, as in the paper: all tokens of a rollout have the rollout's advantage."""
    max_tokens: int = Field(320, ge=1)
    """L_max of the length penalty, in model tokens."""
    cache_tokens: int = Field(80, ge=1)
    """L_cache: the penalty begins at max_tokens - cache_tokens."""
    solved_at: float = Field(0.5, gt=0, le=1)
    """A rollout counts as correct, for dynamic sampling, from this answer reward on."""

    @field_validator("judge")
    @classmethod
    def _judge(cls, value: JudgeSettings, info: ValidationInfo) -> JudgeSettings:
        if info.data.get("answer") == "judge" and not (value.url and value.model):
            raise ValueError(
                "where the judge's verdict is the reward, judge.url and judge.model name its endpoint and its model"
            )
        if value.url and info.data.get("answer", "judge") != "judge":
            raise ValueError(
                f"the reward is by {info.data['answer']} and would not ask a judge; set reward.answer to judge, or leave judge.url out"
            )
        return value


class RewardAuditSettings(Settings):
    """What attacks on the reward earn, against an honest right and an honest wrong answer; rolled out through the agent loop and scored as in training."""

    reward: tuple[str, ...] = ()
    """Which rewards: default, em, f1, recall, recall-length, judge, first (F1 in whatever form, as this
    project began); empty: all, judge where `judge.url` is given."""
    tasks: Refs = ()
    """RAMP task and question files; empty: tasks are made of wiki-summaries:en."""
    index: Ref = ""
    """What the attacks search; needed where tasks are given."""
    limit: int = Field(4, ge=1)
    """Tasks of a kind: questions, and masked texts by their number of masks."""
    allowed: float = Field(0.1, ge=0)
    """An attack may earn so much more than an honest wrong answer."""
    judge: JudgeSettings = JudgeSettings()
    agent: AgentSettings = AgentSettings()
    seed: int = 1
