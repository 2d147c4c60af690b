"""Rewrites a team's work as the trajectory of one agent that plays all roles, through the agent loop.

Each round of the team becomes one or more search turns, one per chosen query. The tool shows the first
`top_k` results of this query, as it does at test time. The first chosen query is the one whose results hold
most of the evidence that the observer named. Further queries are chosen as long as evidence is missing. If no
query shows the missing evidence, the trajectory is rejected, because the agent would answer without having
seen it. With `merged_results`, each round has one search turn that shows the merged list, as in the paper. No
search runs again: the results are those that the team got.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from masksearch.agent.loop import Episode, run_episode
from masksearch.agent.prompts import render_information
from masksearch.agent.protocol import CONTROL, MAX_QUERY
from masksearch.agent.settings import AgentSettings
from masksearch.llm.base import Sampling
from masksearch.llm.scripted import ScriptedPolicy
from masksearch.scoring.grounding import ground_answer
from masksearch.synthesis.agents.replies import Step
from masksearch.synthesis.agents.team import Work, language_of
from masksearch.synthesis.oracle.wording import turn
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.text.neutralise import neutralise
from masksearch.types import Hit, Task, Turn

NAME = "agents"
"""The model name on the trajectories."""
ALSO = {"en": "I search with other words as well.", "zh": "我再换一些词搜索。"}
"""The agent's thought before a second or later query of a round, by language."""
_POINTER = re.compile(r"\[(\d{1,2})\]")


class ReplaySearcher:
    """A `Searcher` that replays the results of known queries."""

    def __init__(self, answers: Mapping[str, Sequence[Hit]], fingerprint: str) -> None:
        self.answers, self._fingerprint = answers, fingerprint

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the search that returned the recorded results."""
        return self._fingerprint

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """Returns the recorded results of each query."""
        return [list(self.answers[query][:k]) for query in queries]

    async def asearch(self, query: str, k: int) -> list[Hit]:
        """Returns the recorded results of a query."""
        return self.search([query], k)[0]


async def rewrite(task: Task, work: Work, settings: SynthesizeSettings, fingerprint: str) -> Episode | str:
    """Returns the episode of the single agent, or the reason for rejecting the work.

    `work` must have an answer.
    """
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
            before = thought if place == 0 else ALSO[language_of(task, settings)]
            turns.append(turn(_on_one_line(before), "search", asked))
        thought = repointed(step)
    answer = "\n".join(map(_on_one_line, work.answer.splitlines()))
    turns.append(turn(_on_one_line(thought), "answer", answer))
    searches = len(turns) - 1
    if searches > settings.agent.max_searches:
        return f"takes {searches} searches, more than agent.max_searches"
    return await run_episode(
        task,
        ScriptedPolicy(lambda messages: turns, NAME),
        ReplaySearcher(answers, fingerprint),
        _limits(settings),
        Sampling(),
    )


def evidence_fault(task: Task, work: Work, settings: SynthesizeSettings) -> str:
    """Returns the reason for rejecting the work if the results that the observer cited lack the answer.

    The results of all rounds count, as the observer read them. Without cited results the work is rejected.
    """
    cited = [step.merged[number - 1] for step in work.steps for number in step.observation.evidence]
    if not cited:
        return "no evidence is cited"
    information = render_information(cited, settings.agents.passage_words)
    turns = (
        Turn(role="tool", text=information),
        Turn(role="model", text=turn(work.steps[-1].observation.thought, "answer", work.answer)),
    )
    grounding = ground_answer(work.answer, task, turns, settings.agent.answer_form)
    return "" if grounding.grounded or grounding.declined else "the cited evidence does not hold the answer"


def choose(step: Step, settings: SynthesizeSettings) -> list[tuple[str, Sequence[Hit]]] | str:
    """Returns the queries of a round that the agent sends, each with the results it is shown.

    Returns the reason for rejecting the work if evidence is missing that no query shows.
    """
    if settings.agents.merged_results:
        return [(step.query, step.merged)]
    shown = {
        query: ranking[: settings.agent.top_k]
        for query, ranking in zip(step.queries, step.rankings, strict=True)
    }
    missing = {step.merged[number - 1].passage.id for number in step.observation.evidence}
    chosen: list[tuple[str, Sequence[Hit]]] = []
    while True:
        # Of equally good queries `max` takes the first, so that the query of the planner or observer, which
        # comes first, is preferred to those of the rewriter.
        query = max(shown, key=lambda name: len(missing & {hit.passage.id for hit in shown[name]}))
        found = missing & {hit.passage.id for hit in shown[query]}
        if missing and not found:
            return "what was rested on is not among the first results of any query"
        chosen.append((query, shown[query]))
        missing -= found
        if not missing:
            return chosen


def _limits(settings: SynthesizeSettings) -> AgentSettings:
    """Returns the agent's settings without token limits, and with `top_k` as the number of shown results.

    The agent loop replays written turns and counts their words as tokens. Token limits would therefore cut
    turns that a model may write.
    """
    roomy = settings.agent.model_copy(update={"max_tokens": 1_000_000, "turn_tokens": 1_000_000})
    if not settings.agents.merged_results:
        return roomy
    return roomy.model_copy(update={"top_k": settings.agents.merged})


def repointed(step: Step) -> str:
    """Returns the observer's thought with titles in place of result numbers.

    The numbers refer to the merged results of the round; the agent sees other results under these numbers.
    """

    def title(match: re.Match[str]) -> str:
        number = int(match[1])
        return step.merged[number - 1].passage.title if 1 <= number <= len(step.merged) else match[0]

    return _POINTER.sub(title, step.observation.thought)


def _on_one_line(text: str) -> str:
    # Neutralised, because the agent loop would read a tag in a role's text as a tag of its protocol.
    return neutralise(CONTROL.sub(" ", text))
