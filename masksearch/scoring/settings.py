"""Settings of the judge, of the reward, and of the reward's audit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from masksearch.agent.settings import AgentSettings
from masksearch.runtime.own import OrOwn
from masksearch.runtime.settings import Ref, Refs, Settings

JudgeMode = Literal["strict", "relaxed", "frames", "fresheval-strict", "fresheval-relaxed"]
AnswerReward = Literal["em", "f1", "recall", "recall-length", "judge"]


class JudgeSettings(Settings):
    """A language model that judges the answers; without a `url`, no judge is used."""

    added = ("support", "date")

    url: str = ""
    """Base URL of an OpenAI-compatible endpoint; its API key is JUDGE_API_KEY or else OPENAI_API_KEY.
    Empty: no judge."""
    model: str = ""
    """Name of the model at that endpoint; required with `url`."""
    modes: tuple[JudgeMode, ...] = Field(("strict", "relaxed"), min_length=1)
    """Judging modes. strict: everything in the answer must be right; relaxed: the main answer must be
    right; frames: the gold answer is present in the answer, the rule of FRAMES; fresheval-strict and
    fresheval-relaxed: the rules of FreshQA's FreshEval, with demonstrations and the date. With several
    modes every answer is judged in each."""
    date: str = ""
    """Day that FreshEval's prompts give as today, on which the gold answers hold: that of FreshQA's
    release. Empty: the day on which the evaluation starts."""
    support: bool = False
    """Ask a second question in `eval`: do the passages that the agent was shown support the answer? Its
    verdicts are the column `supported`, of the methods that search. They do not see the gold answers."""
    prompts: str = ""
    """Folder with prompt files that replace ours (judge-strict.j2, judge-relaxed.j2, judge-frames.j2,
    judge-fresheval-strict.j2, judge-fresheval-relaxed.j2, judge-item.j2, judge-support.j2,
    judge-support-item.j2, judge-repair.j2). Empty: our prompts."""
    max_tokens: int = Field(512, ge=1)
    """Maximum number of tokens of a verdict."""
    concurrency: int = Field(8, ge=1)
    """Maximum number of requests in flight."""
    timeout: float = Field(120.0, gt=0)
    """Seconds after which a request counts as failed."""
    retries: int = Field(4, ge=0)
    """Retries of a request that failed with a transient error."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Share of the answers that the endpoint may leave without a verdict; above it the run stops."""


class RewardSettings(Settings):
    """The weights of the reward of a rollout.

    Reward = answer_weight * answer + grounding * answer * sound + format * valid form + overlong * DAPO's
    length penalty - no_answer - no_search.

    The penalties no_answer and no_search count only in the cases that their own texts describe. The first
    reward of this project was F1 + 0.2 * valid form + length penalty: answer = "f1", gated = false,
    no_answer = 0, no_search = 0.
    """

    added = ("grounding",)

    answer: Annotated[AnswerReward, OrOwn()] = "em"
    """Metric of the answer reward, in [0, 1], averaged over the masks of a masked text: em (exact match),
    f1, recall (of the gold's tokens), recall-length (recall, reduced for long answers), judge (the
    verdict of a model at `judge.url`), or your own function: FILE.py:NAME, called with an answer and its
    golds, returns its reward in [0, 1]."""
    answer_weight: float = Field(1.0, ge=0)
    """Weight of the answer reward."""
    gated: bool = True
    """Give an answer reward only to rollouts of valid form that searched (a search is not required if the
    agent was not allowed to search). Also give 0 to two masks with different golds that are filled with
    the same words, and to a filled paragraph that is far longer than its text."""
    length_factor: float = Field(2.0, ge=1)
    """Only for recall-length: an answer may have this many times as many tokens as the gold. The recall of
    a longer answer is multiplied by allowed length / answer length."""
    judge: JudgeSettings = Field(JudgeSettings(), validate_default=True)
    """The judge behind the reward `judge`. The strict verdict counts, or the relaxed one if it is the
    only mode. A rollout without a verdict is left out of its group."""
    format: float = Field(0.2, ge=0)
    """Reward for a rollout of valid form."""
    overlong: float = Field(1.0, ge=0)
    """Weight of the length penalty, which is in [-1, 0]."""
    no_answer: float = Field(0.1, ge=0)
    """Subtracted from the reward of a rollout that ends without an answer or with an empty answer."""
    no_search: float = Field(0.1, ge=0)
    """Subtracted from the reward of a rollout that was allowed to search but answers without a search."""
    grounding: float = Field(0.0, ge=0)
    """Weight of the grounding reward. It is the answer reward if the rollout is sound, otherwise 0: every
    answer stands in what a tool showed before it (or is inferred from it), and every quote stands in the
    result that it names. So a grounded wrong answer earns nothing. 0, as in the paper: no such reward."""
    search_credit: float = Field(0.0, ge=0)
    """Weight of per-mask credit. A search turn's advantage grows by this weight times (share of the masks
    whose gold its results were the first to show - mean share over the group's searches). 0, as in the
    paper: all tokens of a rollout have the rollout's advantage."""
    max_tokens: int = Field(320, ge=1)
    """L_max of the length penalty, in model tokens."""
    cache_tokens: int = Field(80, ge=1)
    """L_cache of the length penalty, in model tokens: the penalty starts at max_tokens - cache_tokens."""
    solved_at: float = Field(0.5, gt=0, le=1)
    """Answer reward above which a rollout counts as correct, for dynamic sampling and solve rates. A reward
    of 1 always counts; one of two masks, which is a reward of 0.5, does not by default."""

    @field_validator("judge")
    @classmethod
    def _judge(cls, value: JudgeSettings, info: ValidationInfo) -> JudgeSettings:
        if info.data.get("answer") == "judge" and not (value.url and value.model):
            raise ValueError(
                "the reward 'judge' needs an endpoint and a model; set judge.url and judge.model"
            )
        if value.url and info.data.get("answer", "judge") != "judge":
            raise ValueError(
                f"the reward '{info.data['answer']}' would not ask a judge; set reward.answer to judge, "
                "or leave judge.url out"
            )
        return value


class RewardAuditSettings(Settings):
    """An audit of attacks on the reward: what they earn, compared with an honest right and an honest wrong
    answer.

    The agent loop rolls the attacks out, and they are scored as in training.
    """

    basic = ("reward", "tasks", "index", "limit")

    reward: tuple[str, ...] = ()
    """Rewards to audit: default, em, f1, recall, recall-length, judge, first (F1 without gates, the first
    reward of this project), grounded (the default with a grounding reward of 0.5). Empty: all, with judge
    only if `judge.url` is given."""
    tasks: Refs = ()
    """RAMP task files and question files. Empty: masks wiki-summaries:en to make tasks."""
    index: Ref = ""
    """Index that the attacks search; required with `tasks`."""
    limit: int = Field(4, ge=1)
    """Maximum number of tasks of each kind; questions are one kind, masked texts one kind per number of
    masks."""
    allowed: float = Field(0.1, ge=0)
    """Reward that an attack may earn above an honest wrong answer to the same task."""
    judge: JudgeSettings = JudgeSettings()
    """The judge behind the reward `judge`."""
    agent: AgentSettings = AgentSettings()
    """Limits and tools of the agent loop that rolls the attacks out."""
    seed: int = 1
    """Seed of the tasks that are made from wiki-summaries:en."""
