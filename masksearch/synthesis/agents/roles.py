"""The roles: which model plays each, and what it is shown. Prompts are files, in English and Chinese; a folder may hold others in their place."""

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
from masksearch.llm.structured import Asked, Read, Structured
from masksearch.synthesis.agents.replies import Step
from masksearch.synthesis.settings import RoleSettings, SynthesizeSettings
from masksearch.text.excerpts import beginning
from masksearch.text.neutralise import neutralise
from masksearch.types import Hit

T = TypeVar("T")
RoleName = Literal["planner", "rewriter", "observer"]
ROLES: tuple[RoleName, ...] = ("planner", "rewriter", "observer")
LANGUAGES = ("en", "zh")
FILES = tuple(
    f"{name}{code}.j2"
    for name in ("planner", "rewriter", "observer", "state", "repair")
    for code in ("", ".zh")
)


@dataclass(frozen=True)
class Said:
    """One question to a role, as it goes on record."""

    role: RoleName
    messages: tuple[Mapping[str, str], ...]
    replies: tuple[str, ...]
    fault: str

    def to_json(self) -> dict[str, Any]:
        """For the record."""
        return {
            "role": self.role,
            "messages": [dict(message) for message in self.messages],
            "replies": list(self.replies),
            "fault": self.fault,
        }


class Prompts:
    """The prompt files in use. Raises UsageError for a folder that holds none of them, or a file that is no template."""

    def __init__(self, folder: str = "") -> None:
        self.folder = Path(folder) if folder else None
        if self.folder is not None and not any((self.folder / name).is_file() for name in FILES):
            raise UsageError(
                f"The folder {folder} holds no prompt of the teacher 'agents'; its files would be {', '.join(FILES)}."
            )

    @cached_property
    def _environment(self) -> Any:
        import jinja2

        loaders: list[Any] = [jinja2.PackageLoader("masksearch.synthesis", "prompts")]
        if self.folder is not None:
            loaders.insert(0, jinja2.FileSystemLoader(self.folder))
        # Files are read once: to look for changes each time costs more than to fill them in, and a run asks with one set of prompts.
        return jinja2.Environment(
            loader=jinja2.ChoiceLoader(loaders),
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            auto_reload=False,
        )

    def render(self, name: str, language: str, **values: Any) -> str:
        """A file filled in. Raises UsageError where it is no template, or names what there is not."""
        import jinja2

        file = f"{name}.zh.j2" if language == "zh" else f"{name}.j2"
        try:
            return str(self._environment.get_template(file).render(**values))
        except jinja2.TemplateError as error:
            raise UsageError(
                f"The prompt {(self.folder or Path()) / file} cannot be filled in: {error}."
            ) from error

    @cache  # noqa: B019 - a handful of texts, kept as long as the prompts are
    def fixed(self, name: str, language: str, **values: Any) -> str:
        """As `render`, remembered: for what is said alike in every task."""
        return self.render(name, language, **values)

    def hash(self) -> str:
        """SHA-256 of all files in use, as hex."""
        from masksearch.runtime.files import hash_json

        loader = self._environment.loader
        return hash_json({name: loader.get_source(self._environment, name)[0] for name in FILES})


class Roles:
    """Asks the models. Clients belong to the event loop that they are first used in."""

    def __init__(self, settings: SynthesizeSettings) -> None:
        self.settings, self.prompts = settings, Prompts(settings.agents.prompts)
        self.connections = open_connections(share(settings))
        """Of all roles and the judge: what is in flight to their endpoints is bounded in all."""
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
        """A role's settings, with the stage's endpoint and model where it has none of its own. Raises UsageError where neither is named."""
        if name in self._roles:
            return self._roles[name]
        role: RoleSettings = getattr(self.settings.agents, name)
        filled = role.model_copy(
            update={"llm": role.llm or self.settings.llm, "model": role.model or self.settings.model}
        )
        if not filled.llm or not filled.model:
            raise UsageError(
                f"The teacher 'agents' needs an endpoint and a model for the role '{name}'; give them with --llm URL --model NAME."
            )
        self._roles[name] = filled
        return filled

    async def ask(
        self, name: RoleName, system: str, state: str, schema: Mapping[str, Any], read: Read[T], language: str
    ) -> tuple[Asked[T], Said, Spent]:
        """One question. Raises EndpointError."""
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
        return asked, Said(name, messages, asked.replies, asked.fault), spent

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
        """What a role is told of the task and of what has happened. Results are data: cut, and made harmless."""
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
        """Closes the connections."""
        await self.connections.aclose()


def share(settings: SynthesizeSettings) -> int:
    """Requests that each of the processes may have in flight, so that all together have no more than `concurrency`, but one each."""
    return max(1, settings.concurrency // settings.workers)


def _shown(hit: Hit, words: int) -> dict[str, str]:
    return {
        "title": neutralise(beginning(hit.passage.title, TITLE_WORDS)),
        "text": neutralise(beginning(hit.passage.text, words)),
    }
