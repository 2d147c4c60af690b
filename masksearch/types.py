"""Frozen records that all rooms (subpackages) share. They hold data; the rooms define the functions on them.

`to_json` uses the field names as JSON keys. These names are a contract with the readers of our files
(docs/architecture.md, "Files").
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MASK = "[mask]"
TRAJECTORY_FORMAT: Final = "masksearch-trajectory/1"
RESULTS_FORMAT: Final = "masksearch-results/1"

Language = Literal["en", "es", "fr", "zh"]
"""Languages that have prompts, and rules for sentences and terms."""


class Record(BaseModel):
    """Base of all records: frozen; unknown keys of a file are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> dict[str, Any]:
        """Returns the record as plain JSON values."""
        return self.model_dump(mode="json")


Link = tuple[int, int, str]
"""An internal link of a text: characters [start, end), and the title of the target article."""


class Document(Record):
    """One text of a corpus.

    `language` is the code in the corpus (en, es, fr, zh), or empty if the corpus gives no language.
    """

    id: str = Field(min_length=1)
    title: str
    text: str
    language: str = ""
    links: tuple[Link, ...] = ()


class Passage(Record):
    """A piece of a document, cut at sentence ends: the unit that is indexed and masked."""

    id: str
    doc_id: str
    title: str
    text: str
    language: str = ""
    links: tuple[Link, ...] = ()
    """Links of the passage; their offsets count in the passage's text, not in the document's."""


class Hit(Record):
    """One search result. `score` is on the retriever's own scale; higher is better."""

    passage: Passage
    score: float


class Page(Record):
    """A whole document. The tool `open` shows it to the agent part by part."""

    doc_id: str
    title: str
    text: str
    language: str = ""


class Span(Record):
    """A salient span of a text: characters [start, end), with its category (e.g. PERSON, DATE, NUMBER)."""

    start: int
    end: int
    category: str


class ChainStep(Record):
    """One step of a chained task: what is needed of which subject, and the passage that states it."""

    subject: str
    """The subject as it may be named when the step begins: "the film Heat", "Michael Mann". Empty if `need`
    says all: "the film that was directed by Michael Mann"."""
    need: str
    """What is needed of the subject: "the director", "the date of birth"."""
    title: str
    """Title of the article that states it."""
    passage_id: str
    value: str
    kind: str = ""
    """Kind of the value: an entity label, DATE, YEAR, NUMBER, or NOUN."""
    verb: str = ""
    """Words that join subject and value where the need alone says too little: "plays for" of "the
    organization"."""


class Chained(Record):
    """Fields of tasks that were made by joining facts; JSON leaves them out where they are empty."""

    optional: ClassVar[tuple[str, ...]] = (
        "hops",
        "shape",
        "form",
        "bridges",
        "evidence",
        "steps",
        "verdict",
    )
    """Names of the fields that JSON leaves out where they are empty."""
    hops: int = 0
    """Number of facts that the answer depends on; 0 if unknown."""
    shape: str = ""
    """hop, chain, comparison, bridge-comparison, inference, or intersection."""
    form: str = ""
    """cloze or question."""
    bridges: tuple[str, ...] = ()
    """Names that the text withholds and that have to be found, in order."""
    evidence: tuple[str, ...] = ()
    """Ids of the passages that state the facts, in the order in which they have to be found."""
    steps: tuple[ChainStep, ...] = ()
    """What each step needs, in order. The planned teacher reads them; the model never does."""
    verdict: str = ""
    """How the answer follows from the values of the steps: before, after, more, fewer, same, grandparent,
    fits; empty if it is the last value."""

    def to_json(self) -> dict[str, Any]:
        """Returns the record as plain JSON values, without the empty fields of chained tasks."""
        data = super().to_json()
        optional = {name: data.pop(name) for name in self.optional}
        return data | {name: value for name, value in optional.items() if value}


class MaskedTask(Chained):
    """A RAMP task: a text with masks, and the masked spans as answers (one per mask, in text order)."""

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
    """For each mask, the rank of its first evidence passage, counted from 1, in the search that verified
    the mask."""
    language: str = ""
    strategy: str = ""
    """Name of the masking strategy that chose the masks among the maskable spans."""
    source_hidden: bool = False
    """Whether all searches for this task hide the source article of its text."""
    verdicts: dict[str, Any] = {}
    """The verdict of each check, by the check's name."""

    @model_validator(mode="after")
    def _count_masks(self) -> MaskedTask:
        found = self.text.count(MASK)
        if not found == self.masks == len(self.answers):
            raise ValueError(
                f"'masks' is {self.masks}, but the text has {found} {MASK} "
                f"and there are {len(self.answers)} answers"
            )
        return self


class Question(Chained):
    """A question with its equally acceptable gold answers."""

    id: str
    question: str = Field(min_length=1)
    answers: tuple[str, ...]
    """Gold answers. Empty for a question that is only asked: `ask`, and `eval` without scores. Files that are
    trained or scored on must have them."""
    type: str = ""
    supporting_titles: tuple[str, ...] = ()
    supporting_passages: tuple[str, ...] = ()
    parts: tuple[tuple[str, ...], ...] = ()
    """The items of a list answer, each with its equally acceptable forms."""
    false_premise: bool = False
    """Whether the question assumes something false; a right answer then says so."""
    verdicts: dict[str, Any] = {}
    """For a question made from a corpus: the verdict of each check, by the check's name."""
    optional: ClassVar[tuple[str, ...]] = (*Chained.optional, "verdicts")

    @model_validator(mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        """Reads a whole number as an id, and one answer as a list of one."""
        if not isinstance(values, dict):
            return values
        identity, answers = values.get("id"), values.get("answers")
        whole = isinstance(identity, int) and not isinstance(identity, bool)
        changed = {"id": str(identity)} if whole else {}
        return {**values, **changed, **({"answers": (answers,)} if isinstance(answers, str) else {})}


Task = MaskedTask | Question
"""A task for the agent."""


class Turn(Record):
    """One segment of a trajectory, written by the model or by the tool."""

    role: Literal["model", "tool"]
    text: str


class Usage(Record):
    """Counts of the searches, opened pages and tokens of a trajectory."""

    searches: int = 0
    opens: int = 0
    corrections: int = 0
    """Number of turns without a valid action; the agent received a correction after each of these turns."""
    prompt_tokens: int = 0
    model_tokens: int = 0
    tool_tokens: int = 0


Status = Literal["answered", "no_answer", "too_long", "too_many_searches", "search_failed", "model_failed"]
"""How a trajectory ended. Every status but `answered` counts as invalid."""


Tools = tuple[Literal["search", "open"], ...]
"""The tools that the agent is offered."""
SEARCH_ONLY: Final[Tools] = ("search",)


class Trajectory(Record):
    """One run of the agent loop on one task. `task` is the task as JSON, with the additional key `"kind"`:
    `"ramp"` or `"question"`."""

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
    """The tools that the agent was offered; the prompt depends on them."""
    search_errors: tuple[str, ...] = ()
    """Error messages of the failed searches. The agent sees that a search failed, but not the message."""
    retrieved: tuple[tuple[str, ...], ...] = ()
    """For each search, the ids of the passages that it returned, best first. For each opened page, a list
    with the id of its document."""
    prompt_hash: str = ""
    """Hash of the first messages of the session (`agent.prompts.messages_hash`).

    The hash is empty in files of earlier versions.
    """
    templates_hash: str = ""
    """Version of the prompt files that rendered these messages (`agent.prompts.templates_hash`)."""


class Score(Record):
    """Agreement of a prediction with the gold answer; each metric is in [0, 1]."""

    recall: float
    precision: float
    f1: float
    em: float


Method = Literal["closed-book", "rag", "agent-prompted", "agent"]
"""How a model answers: from memory, from results retrieved once, as an agent by prompt alone, or as the
trained agent."""
ResultMethod = Literal["external", "closed-book", "rag", "agent-prompted", "agent"]
"""A method, or `external`: the predictions of another system."""


class Results(Record):
    """One evaluation: aggregate metrics with 95% intervals, and one row for each question."""

    format: Literal["masksearch-results/1"] = RESULTS_FORMAT
    suite: str
    method: ResultMethod
    model: str
    retriever: str
    n: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_question: tuple[dict[str, Any], ...]
    settings: dict[str, Any] = {}
    failures: dict[str, int] = {}
    """Kind of failure (`evaluation.failures`) -> number of questions; correct answers count as `right`."""
    provenance: dict[str, Any] = {}
    """Everything needed to repeat the evaluation: hashes of prompts, questions and checkpoint, decoding,
    package versions."""
    scored: bool = True
    """Whether the questions have gold answers. Without them there are no scores."""

    def to_json(self) -> dict[str, Any]:
        """Returns the results as plain JSON values; `scored` is left out where it is true."""
        data = super().to_json()
        if self.scored:
            del data["scored"]
        return data


def source_titles(task: Task) -> frozenset[str]:
    """Returns the titles of the articles that a task was made from; empty for a question by people."""
    titles = {step.title for step in task.steps}
    return frozenset(titles | {task.title}) if isinstance(task, MaskedTask) else frozenset(titles)


def task_json(task: Task) -> dict[str, Any]:
    """Returns a task as JSON with its kind, in the form that trajectories hold."""
    return {"kind": "ramp" if isinstance(task, MaskedTask) else "question", **task.to_json()}


def task_from_json(data: dict[str, Any]) -> Task:
    """Returns the task of a trajectory or a task file; a record with `masks` is a RAMP task.

    Raises pydantic.ValidationError if a field is missing or wrong.
    """
    if data.get("kind") == "ramp" or "masks" in data:
        return MaskedTask.model_validate(data)
    return Question.model_validate(data)
