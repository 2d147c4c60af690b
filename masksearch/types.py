"""The nouns of the project: frozen records that every room shares.

Behaviour lives with the stage that needs it. The JSON form of each record is its fields as they
stand here (`to_json`), and is a contract (see docs/architecture.md, "Files").
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MASK = "[mask]"
TRAJECTORY_FORMAT: Final = "masksearch-trajectory/1"
RESULTS_FORMAT: Final = "masksearch-results/1"

Language = Literal["en", "es", "fr", "zh"]
"""Languages that sentences, terms and prompts know."""


class Record(BaseModel):
    """Base of all records: frozen; unknown keys of a file are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return self.model_dump(mode="json")


Link = tuple[int, int, str]
"""An internal link of a text: characters [start, end), and the title of the article it leads to."""


class Document(Record):
    """One text of a corpus. `language` is the corpus's own word for it (en, es, fr, zh); empty where it has none."""

    id: str = Field(min_length=1)
    title: str
    text: str
    language: str = ""
    links: tuple[Link, ...] = ()


class Passage(Record):
    """A piece of a document, cut at sentence ends; the unit that is indexed and masked."""

    id: str
    doc_id: str
    title: str
    text: str
    language: str = ""
    links: tuple[Link, ...] = ()
    """Offsets in the passage's own text."""


class Hit(Record):
    """One search result. `score` is the retriever's own (higher is better)."""

    passage: Passage
    score: float


class Page(Record):
    """A whole document, as `open` shows it part by part."""

    doc_id: str
    title: str
    text: str
    language: str = ""


class Span(Record):
    """A salient span of a text: characters [start, end), with its category (e.g. PERSON, DATE, NUMBER)."""

    start: int
    end: int
    category: str


class MaskedTask(Record):
    """A RAMP task: a text with masks, and what stood there (one answer per mask, in text order)."""

    id: str
    doc_id: str
    title: str
    text: str
    answers: tuple[str, ...] = Field(min_length=1)
    masks: int
    original: str
    passage_id: str = ""
    categories: tuple[str, ...] = ()
    retriever: str = ""
    ranks: tuple[int, ...] = ()
    """1-based rank of the first evidence passage for each mask, in the search that verified it."""
    language: str = ""
    strategy: str = ""
    """How the masks were chosen among the spans that may be masked."""
    source_hidden: bool = False
    """The article this text is from is to be hidden from every search for this task."""
    verdicts: dict[str, Any] = {}
    """What each check that was asked for said of the task, by the check's name."""

    @model_validator(mode="after")
    def _count_masks(self) -> MaskedTask:
        found = self.text.count(MASK)
        if not found == self.masks == len(self.answers):
            raise ValueError(
                f"'masks' is {self.masks}, but the text has {found} {MASK} and there are {len(self.answers)} answers"
            )
        return self


class Question(Record):
    """A question with its equally acceptable gold answers."""

    id: str
    question: str = Field(min_length=1)
    answers: tuple[str, ...] = Field(min_length=1)
    type: str = ""
    supporting_titles: tuple[str, ...] = ()
    supporting_passages: tuple[str, ...] = ()
    parts: tuple[tuple[str, ...], ...] = ()
    """Where the answer is a list: its parts, each in its equally acceptable forms."""
    false_premise: bool = False
    """The question takes something for granted that is not so; a right answer says so."""


Task = MaskedTask | Question
"""What an agent can be asked to do."""


class Turn(Record):
    """One stretch of a trajectory, written by the model or by the tool."""

    role: Literal["model", "tool"]
    text: str


class Usage(Record):
    """What a trajectory cost."""

    searches: int = 0
    opens: int = 0
    corrections: int = 0
    """How often the model was told that its turn asked for nothing that can be done."""
    prompt_tokens: int = 0
    model_tokens: int = 0
    tool_tokens: int = 0


Status = Literal["answered", "no_answer", "too_long", "too_many_searches", "search_failed", "model_failed"]
"""How a trajectory ended. Everything but `answered` counts as not valid."""


Tools = tuple[Literal["search", "open"], ...]
"""What the agent is offered."""
SEARCH_ONLY: Final[Tools] = ("search",)


class Trajectory(Record):
    """One run of the agent loop on one task. `task` is the task's own JSON plus `"kind": "ramp" | "question"`."""

    format: Literal["masksearch-trajectory/1"] = TRAJECTORY_FORMAT
    id: str
    task: dict[str, Any]
    turns: tuple[Turn, ...]
    answer: str
    status: Status
    scores: dict[str, float] = {}
    model: str = ""
    retriever: str = ""
    usage: Usage = Usage()
    error: str = ""
    tools: Tools = SEARCH_ONLY
    """What was offered; the prompt cannot be told without it."""
    search_errors: tuple[str, ...] = ()
    """What the searches that failed said; the agent was shown that they failed."""
    retrieved: tuple[tuple[str, ...], ...] = ()
    """Ids of the passages that each search brought, best first; for an opened page the id of its document."""
    prompt_hash: str = ""
    """Hash of the messages that the session started with (`agent.prompts.messages_hash`); empty in files of earlier versions."""
    templates_hash: str = ""
    """Version of the prompt files that rendered them (`agent.prompts.templates_hash`)."""


class Score(Record):
    """Agreement of a prediction with gold, each in [0, 1]."""

    recall: float
    precision: float
    f1: float
    em: float


Method = Literal["closed-book", "rag", "agent-prompted", "agent"]
"""How a model is measured: from memory, from results retrieved once, as an agent by prompt alone, as the agent it was trained to be."""


class Results(Record):
    """One evaluation: aggregate figures with 95% intervals, and one row a question."""

    format: Literal["masksearch-results/1"] = RESULTS_FORMAT
    suite: str
    method: Method
    model: str
    retriever: str
    n: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_question: tuple[dict[str, Any], ...]
    settings: dict[str, Any] = {}
    failures: dict[str, int] = {}
    """How many questions came out in which way: kind (`evaluation.failures`) -> count, the right ones as `right`."""
    provenance: dict[str, Any] = {}
    """What a stranger needs to repeat it: hash of the prompts, decoding, package versions, hash of the questions and of the checkpoint."""


def task_json(task: Task) -> dict[str, Any]:
    """A task as JSON, with its kind, as it stands in a trajectory."""
    return {"kind": "ramp" if isinstance(task, MaskedTask) else "question", **task.to_json()}


def task_from_json(data: dict[str, Any]) -> Task:
    """The task of a trajectory or a task file; a record with `[mask]` in its text is a RAMP task.

    Raises pydantic.ValidationError where a field is missing or wrong.
    """
    if data.get("kind") == "ramp" or "masks" in data:
        return MaskedTask.model_validate(data)
    return Question.model_validate(data)
