"""A team's work as the trajectory of one agent that does all roles by itself, rolled out through the one agent loop.

Each round becomes one or more turns of search, and what stands behind a search is what that query by itself brings (`top_k` results of it): an agent
that learns from it meets the same at test time. Of the round's queries those are taken that bring what the observer rested on, the one that brings
most of it first. With `merged_results` the tool says instead what the paper's does, the merged list. No search is made again: results are those the team saw.

A trajectory whose searches would not have shown the agent what its answer rests on is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from masksearch.agent.loop import Episode, run_episode
from masksearch.agent.protocol import CONTROL, MAX_QUERY
from masksearch.agent.settings import AgentSettings
from masksearch.llm.base import Sampling
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.synthesis.agents.replies import Step
from masksearch.synthesis.agents.team import Work, language_of
from masksearch.synthesis.oracle.wording import turn
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.text.neutralise import neutralise
from masksearch.types import Hit, Task

NAME = "agents"
ALSO = {"en": "I search with other words as well.", "zh": "我再换一些词搜索。"}
"""What an agent thinks before a further query of the same round."""
_POINTER = re.compile(r"\[(\d{1,2})\]")


class SeenBefore:
    """A `Searcher` that knows some queries and their results."""

    def __init__(self, answers: Mapping[str, Sequence[Hit]], fingerprint: str) -> None:
        self.answers, self._fingerprint = answers, fingerprint

    @property
    def fingerprint(self) -> str:
        """Of the search that the results are from."""
        return self._fingerprint

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """What was found then."""
        return [list(self.answers[query][:k]) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """What was found then."""
        return self.search([query], k)[0]


async def rewrite(task: Task, work: Work, settings: SynthesizeSettings, fingerprint: str) -> Episode | str:
    """The trajectory, or why there can be none. Only for work that has an answer."""
    turns: list[str] = []
    answers: dict[str, Sequence[Hit]] = {}
    thought = work.plan.thought if work.plan is not None else ""
    for step in work.steps:
        chosen = choose(step, settings)
        if isinstance(chosen, str):
            return chosen
        for place, (query, hits) in enumerate(chosen):
            asked = _on_one_line(query)[:MAX_QUERY].strip()
            if answers.setdefault(asked, hits) != hits:
                return "the same query is to bring different results"
            turns.append(
                turn(
                    _on_one_line(thought if place == 0 else ALSO[language_of(task, settings)]),
                    "search",
                    asked,
                )
            )
        thought = repointed(step)
    turns.append(
        turn(_on_one_line(thought), "answer", "\n".join(map(_on_one_line, work.answer.splitlines())))
    )
    searches = len(turns) - 1
    if searches > settings.agent.max_searches:
        return f"takes {searches} searches, more than agent.max_searches"
    return await run_episode(
        task,
        ScriptedPolicy(lambda messages: turns, NAME),
        SeenBefore(answers, fingerprint),
        _limits(settings),
        Sampling(),
    )


def choose(step: Step, settings: SynthesizeSettings) -> list[tuple[str, Sequence[Hit]]] | str:
    """The queries of a round that one agent asks, with what it is shown of each; or why what was rested on cannot be shown."""
    if settings.agents.merged_results:
        return [(step.query, step.merged)]
    shown = {
        query: ranking[: settings.agent.top_k]
        for query, ranking in zip(step.queries, step.rankings, strict=True)
    }
    open_ = {step.merged[number - 1].passage.id for number in step.observation.evidence}
    chosen: list[tuple[str, Sequence[Hit]]] = []
    while True:
        # Of queries that bring as much the first one: the planner's or observer's own.
        query = max(shown, key=lambda name: len(open_ & {hit.passage.id for hit in shown[name]}))
        brought = open_ & {hit.passage.id for hit in shown[query]}
        if open_ and not brought:
            return "what was rested on is not among the first results of any query"
        chosen.append((query, shown[query]))
        open_ -= brought
        if not open_:
            return chosen


def _limits(settings: SynthesizeSettings) -> AgentSettings:
    """As many results and words as the tool is to say, and no limit of tokens that words would be counted against."""
    roomy = settings.agent.model_copy(update={"max_tokens": 1_000_000, "turn_tokens": 1_000_000})
    return (
        roomy.model_copy(update={"top_k": settings.agents.merged})
        if settings.agents.merged_results
        else roomy
    )


def repointed(step: Step) -> str:
    """What the observer thought, with the numbers of its merged results replaced by titles: an agent sees other numbers."""

    def title(match: re.Match[str]) -> str:
        number = int(match[1])
        return step.merged[number - 1].passage.title if 1 <= number <= len(step.merged) else match[0]

    return _POINTER.sub(title, step.observation.thought)


def _on_one_line(text: str) -> str:
    # A tag in what a role wrote would be read as the protocol's.
    return neutralise(CONTROL.sub(" ", text))
