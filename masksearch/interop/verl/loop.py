"""An agent loop for verl, with the prompts, tools, limits and reward of `masksearch rl`.

verl finds it through the file that config.py writes (`agent_loop_config_path`). verl creates a loop
object for every rollout, so the search, the settings and the table of closing tokens are cached per
process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopMetrics, AgentLoopOutput

from masksearch.agent.loop import Episode, check_tools, run_episode
from masksearch.agent.settings import AgentSettings
from masksearch.errors import DataError
from masksearch.interop.verl.config import check_reward
from masksearch.interop.verl.sessions import ServerPolicy, closing_tokens
from masksearch.llm.base import Sampling
from masksearch.protocols import Searcher
from masksearch.scoring.rewards import figures, reward_trajectory
from masksearch.scoring.settings import RewardSettings
from masksearch.search import open_searcher
from masksearch.search.settings import SearchSettings
from masksearch.types import Task, task_from_json


@cache
def _tools(
    index: str, search: str, agent: str, reward: str
) -> tuple[Searcher, SearchSettings, AgentSettings, RewardSettings]:
    """Opens the search and parses the settings. The result is cached, so this happens once per process."""
    search_settings = SearchSettings.model_validate_json(search)
    agent_settings = AgentSettings.model_validate_json(agent)
    reward_settings = RewardSettings.model_validate_json(reward)
    searcher = open_searcher(index, search_settings)
    check_tools(searcher, agent_settings)
    check_reward(reward_settings)
    return searcher, search_settings, agent_settings, reward_settings


_closing: dict[str, list[int]] = {}
"""Cache: a tokenizer's name and size -> its closing tokens, the tokens whose text contains `>`."""


class MaskSearchLoop(AgentLoopBase):  # type: ignore[misc]
    """The agent loop `masksearch` for verl.

    `index`, `search`, `agent` and `reward` are settings of `masksearch rl`; the last three are tables as
    JSON.
    """

    def __init__(
        self, *args: Any, index: str, search: str = "{}", agent: str = "{}", reward: str = "{}", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.searcher, self.search, self.agent, self.reward = _tools(index, search, agent, reward)
        name = str(getattr(self.tokenizer, "name_or_path", ""))
        key = f"{name}:{len(self.tokenizer)}"
        if key not in _closing:
            _closing[key] = closing_tokens(self.tokenizer)
        self.closing, self.name = _closing[key], name

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """Rolls out one row of `masksearch export --to verl`.

        Raises DataError if the row has no task, or if the rollout produced no tokens to train on.
        """
        task, answer_form = read_task(row)
        config, agent = self.rollout_config, self.agent.model_copy(update={"answer_form": answer_form})
        policy = ServerPolicy(
            self.server_manager,
            self.tokenizer,
            self.closing,
            sampling_params,
            self.name,
            int(config.prompt_length),
        )
        episode = await run_episode(task, policy, self.searcher, agent, Sampling(max_length=agent.max_length))
        if episode.record is None:  # The prompt was too long, or the server failed at the first request.
            raise DataError(f"The task '{task.id}' could not be rolled out: {episode.trajectory.error}.")
        return self._output(episode, answer_form, policy.seconds)

    def _output(self, episode: Episode, answer_form: str, seconds: float) -> AgentLoopOutput:
        """Returns the rollout and its reward as verl's output; `seconds` is the time spent waiting for
        verl's server."""
        trajectory, record = episode.trajectory, episode.record
        assert record is not None
        ledger = reward_trajectory(trajectory, self.reward, answer_form, self.agent.max_searches > 0)
        numbers = {
            **figures(ledger, self.reward),
            "searches": float(trajectory.usage.searches),
            "failed_searches": float(len(trajectory.search_errors)),
        }
        # A rollout with a failed search, or interrupted by a failed server, carries no loss, because the
        # model did not cause the failure. Failures injected on purpose (search.noise.fail) keep their loss.
        disturbed = trajectory.status == "model_failed" or (
            bool(trajectory.search_errors) and not self.search.noise.fail
        )
        length = int(self.rollout_config.response_length)
        ids, mask, logprobs = record.ids[:length], record.mask[:length], record.logprobs[:length]
        if not ids:
            ids, mask, logprobs = [self.tokenizer.pad_token_id or 0], [0], [0.0]
        return AgentLoopOutput(
            prompt_ids=record.prompt_ids,
            response_ids=ids,
            response_mask=[0] * len(mask) if disturbed else mask,
            response_logprobs=logprobs,
            reward_score=ledger.total,
            num_turns=len(trajectory.turns) + 1,
            metrics=AgentLoopMetrics(
                generate_sequences=seconds, tool_calls=max(0.0, episode.seconds - seconds)
            ),
            extra_fields={
                "reward_extra_info": numbers,
                "turn_scores": [],
                "tool_rewards": [],
            },
        )


def read_task(row: Mapping[str, Any]) -> tuple[Task, str]:
    """Returns the task in a row's `extra_info`, and the answer form of its prompt.

    Raises DataError if the row has no task.
    """
    extra = row.get("extra_info")
    if not isinstance(extra, Mapping) or "task" not in extra:
        raise DataError(
            "A row lacks extra_info.task; write the data with: masksearch export TASKS --to verl "
            "-o train.parquet."
        )
    data = json.loads(str(extra["task"]))
    return task_from_json(data), str(data["answer_form"])
