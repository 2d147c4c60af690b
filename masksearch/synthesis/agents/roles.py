"""The roles of the team, each with its model and its prompt.

Each role has a prompt file in English and in Chinese. Files in the user's folder (`agents.prompts`) replace
the packaged files of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from masksearch.agent.prompts import TITLE_WORDS
from masksearch.errors import UsageError
from masksearch.llm.base import Sampling
from masksearch.llm.cost import Spent, price
from masksearch.llm.endpoint import EndpointPolicy, open_connections
from masksearch.llm.structured import Read, Structured, StructuredReply
from masksearch.synthesis.agents.replies import Step
from masksearch.synthesis.settings import RoleSettings, SynthesizeSettings
from masksearch.text.excerpts import beginning
from masksearch.text.neutralise import neutralise
from masksearch.types import Hit

T = TypeVar("T")
RoleName = Literal["planner", "rewriter", "observer"]
ROLES: tuple[RoleName, ...] = ("planner", "rewriter", "observer")
FILES = tuple(
    f"{name}{code}.j2"
    for name in ("planner", "rewriter", "observer", "state", "repair")
    for code in ("", ".zh")
)
"""Names of all prompt files."""


@dataclass(frozen=True)
class Exchange:
    """One request to a role with the role's replies; part of the record of a task."""

    role: RoleName
    messages: tuple[Mapping[str, str], ...]
    replies: tuple[str, ...]
    """The reply, and further replies if the role had to repair it."""
    fault: str
    """Reason why none of the replies could be parsed; empty if one was parsed."""

    def to_json(self) -> dict[str, Any]:
        """Returns the exchange as the JSON object for the record."""
        return {
            "role": self.role,
            "messages": [dict(message) for message in self.messages],
            "replies": list(self.replies),
            "fault": self.fault,
        }


class Prompts:
    """The prompt files in use. Raises UsageError if `folder` holds no prompt file."""

    def __init__(self, folder: str = "") -> None:
        self.folder = Path(folder) if folder else None
        if self.folder is not None and not any((self.folder / name).is_file() for name in FILES):
            raise UsageError(
                f"The folder {folder} holds no prompt of the teacher 'agents'. Its files may be "
                f"{', '.join(FILES)}."
            )

    @cached_property
    def _environment(self) -> Any:
        import jinja2

        loaders: list[Any] = [jinja2.PackageLoader("masksearch.synthesis", "prompts")]
        if self.folder is not None:
            loaders.insert(0, jinja2.FileSystemLoader(self.folder))
        # Each file is read once per run: all tasks must use the same prompts, and a check for changes would
        # cost more time than filling in the template.
        return jinja2.Environment(
            loader=jinja2.ChoiceLoader(loaders),
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            auto_reload=False,
        )

    def render(self, name: str, language: str, **values: Any) -> str:
        """Fills in a prompt file. Raises UsageError for an invalid template or a name without a value."""
        import jinja2

        file = f"{name}.zh.j2" if language == "zh" else f"{name}.j2"
        try:
            return str(self._environment.get_template(file).render(**values))
        except jinja2.TemplateError as error:
            raise UsageError(
                f"The prompt {(self.folder or Path()) / file} cannot be filled in: {error}."
            ) from error

    @cache  # noqa: B019 - the cache holds few texts and may keep them as long as the prompts
    def fixed(self, name: str, language: str, **values: Any) -> str:
        """Renders a prompt that is the same for every task; renders it only once."""
        return self.render(name, language, **values)

    def hash(self) -> str:
        """Returns the SHA-256 of all prompt files in use, as hex digits."""
        from masksearch.runtime.files import hash_json

        loader = self._environment.loader
        return hash_json({name: loader.get_source(self._environment, name)[0] for name in FILES})


class Roles:
    """Asks the models that play the roles. An object can be used in one event loop only."""

    def __init__(self, settings: SynthesizeSettings) -> None:
        self.settings, self.prompts = settings, Prompts(settings.agents.prompts)
        self.connections = open_connections(share(settings))
        """Connections shared by all roles and the judge; their number limits the requests in flight."""
        self._roles: dict[str, RoleSettings] = {}
        self._structured = {name: self._open(name) for name in ROLES}

    def _open(self, name: RoleName) -> Structured:
        role = self.role(name)
        agents = self.settings.agents
        return Structured(
            EndpointPolicy(
                role.model, role.llm, agents.timeout, agents.retries, connections=self.connections
            ),
            role.max_tokens,
        )

    def role(self, name: RoleName | Literal["judge"]) -> RoleSettings:
        """Returns a role's settings; an endpoint or model that the role does not set is that of the stage.

        Raises UsageError if neither the role nor the stage sets it.
        """
        if name in self._roles:
            return self._roles[name]
        role: RoleSettings = getattr(self.settings.agents, name)
        filled = role.model_copy(
            update={"llm": role.llm or self.settings.llm, "model": role.model or self.settings.model}
        )
        if not filled.llm or not filled.model:
            raise UsageError(
                f"The teacher 'agents' needs an endpoint and a model for the role '{name}'. Give them with "
                "--llm URL --model NAME."
            )
        self._roles[name] = filled
        return filled

    async def ask(
        self, name: RoleName, system: str, state: str, schema: Mapping[str, Any], read: Read[T], language: str
    ) -> tuple[StructuredReply[T], Exchange, Spent]:
        """Asks a role for one reply; returns the reply, its record and its cost. Raises EndpointError."""
        role = self.role(name)
        messages = ({"role": "system", "content": system}, {"role": "user", "content": state})
        sampling = Sampling(role.temperature, self.settings.seed)
        asked = await self._structured[name].ask(
            messages, name, schema, read, self.prompts.fixed("repair", language), sampling
        )
        cost = price(
            role.model,
            asked.prompt_tokens,
            asked.completion_tokens,
            self.settings.price_in,
            self.settings.price_out,
        )
        spent = Spent(len(asked.replies), asked.prompt_tokens, asked.completion_tokens, cost)
        return asked, Exchange(name, messages, asked.replies, asked.fault), spent

    def state(
        self,
        language: str,
        task: str,
        plan: Sequence[str],
        steps: Sequence[Step],
        looking_for: str,
        results: Sequence[Hit] | None,
        last: bool = False,
    ) -> str:
        """Returns the user message of a role: the task, the plan, the rounds so far and this round's results.

        Results are shortened. They are neutralised too, so that their text cannot act as part of the prompt.
        """
        words = self.settings.agents.passage_words
        shown = None if results is None else [_shown(hit, words) for hit in results]
        values = {
            "task": task,
            "plan": plan,
            "steps": steps,
            "looking_for": looking_for,
            "results": shown,
            "last": last,
        }
        return self.prompts.render("state", language, **values)

    async def close(self) -> None:
        """Closes the connections to all endpoints."""
        await self.connections.aclose()


def share(settings: SynthesizeSettings) -> int:
    """Returns how many requests a process may have in flight: its part of `concurrency`, at least one."""
    return max(1, settings.concurrency // settings.workers)


def _shown(hit: Hit, words: int) -> dict[str, str]:
    return {
        "title": neutralise(beginning(hit.passage.title, TITLE_WORDS)),
        "text": neutralise(beginning(hit.passage.text, words)),
    }
