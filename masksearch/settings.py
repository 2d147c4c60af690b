"""The settings of every stage, typed; a recipe's table, a command's flags and a test all fill the same models.

Fields marked `Ref` name another stage of the recipe or a path; the pipeline replaces a stage's name by the
path of its product before the stage runs. What the paper leaves open (see docs/architecture.md) is a field
here with a default of ours.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from masksearch.types import SEARCH_ONLY, Method, Tools


class _Reference:
    """Marks a field that may name another stage of the recipe."""


Ref = Annotated[str, _Reference()]
Refs = Annotated[tuple[str, ...], _Reference()]

Language = Literal["en", "es", "fr", "zh"]
AnswerReward = Literal["em", "f1", "recall", "recall-length", "judge"]
ExtractorName = Literal["ner", "links", "dates", "numbers", "terms", "llm"]
CheckName = Literal["retrievable", "not-guessable", "unique", "not-inferable", "none"]

ENDPOINTS = ("openai:", "openai-tools:")
"""How a model behind an endpoint is named: spoken to in our tags, or with native tool calls."""
DEFAULT_CORPUS = "wiki-summaries:en"
DEFAULT_MODEL = "smollm2-135m"
DEFAULT_ENCODER = "minilm"


class Settings(BaseModel):
    """Base of all stage settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def mask_range(text: str) -> tuple[int, int]:
    """`"1-4"` -> (1, 4), `"2"` -> (2, 2). Raises ValueError outside 1 to 4."""
    match = re.fullmatch(r"([1-4])(?:-([1-4]))?", text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise ValueError(f"'{text}' is no number of masks; write a number from 1 to 4, or a range such as 1-4")
    return low, high


class ModelSettings(Settings):
    """Makes a plain checkpoint folder of a model."""

    source: str = DEFAULT_MODEL
    """`smollm2-135m` (the packaged one), a checkpoint folder, or a model hub's name."""


class DenseSettings(Settings):
    """How passages become vectors, and where these are looked for; used by the kinds dense and hybrid."""

    encoder: str = DEFAULT_ENCODER
    """`minilm` (the packaged all-MiniLM-L6-v2), a sentence-transformers folder, or a model hub's name."""
    query_prompt: str = ""
    """Put before each query, such as "query: " for E5 models; empty: the encoder's own prompt named query, if it has one."""
    passage_prompt: str = ""
    """Put before each passage, such as "passage: "; empty: the encoder's own prompt named document or passage, if it has one."""
    vectors: Literal["flat", "ivf", "hnsw"] = "flat"
    """FAISS index: flat (exact), ivf (clusters, of which some are looked into), hnsw (a graph)."""
    precision: Literal["float32", "float16", "int8"] = "float16"
    """Of the stored vectors."""
    nprobe: int = Field(16, ge=1)
    """Clusters looked into by ivf."""
    ef_search: int = Field(128, ge=1)
    """Breadth of the walk by hnsw."""
    batch: int = Field(64, ge=1)
    """Passages encoded at a time."""
    shard: int = Field(4096, ge=1)
    """Passages encoded between two savings: most that a broken-off build does again."""
    rrf_k: int = Field(10, ge=1)
    """k of reciprocal rank fusion (hybrid): a passage at rank r of the words' ranking adds 1 / (k + r)."""
    rrf_weight: float = Field(0.5, ge=0)
    """What a rank among the vectors counts, where one among the words counts 1 (hybrid)."""
    rrf_depth: int = Field(100, ge=1)
    """Results of each of the two that are fused (hybrid)."""


class IndexSettings(Settings):
    """Cuts a corpus into passages and indexes them."""

    corpus: str = DEFAULT_CORPUS
    kind: Literal["bm25", "dense", "hybrid", "lancedb", "opensearch"] = "bm25"
    """bm25 (words), dense (vectors), hybrid (both), or an engine that the passages are given to: lancedb (a folder or a bucket), opensearch (a server)."""
    store: str = ""
    """Where the engine keeps the passages. lancedb: a folder or URI (empty: inside the index folder); opensearch: http://HOST:9200/INDEX."""
    dense: DenseSettings = DenseSettings()
    max_words: int = Field(60, ge=0)
    """Longest passage in words, cut at sentence ends; 0 keeps each document whole."""
    limit: int | None = Field(None, ge=1)
    """Use the first documents only."""
    language: Language = "en"
    """Stemmer and stop words; also the language of documents that do not name their own."""
    workers: int = Field(1, ge=1)
    """Processes that parse a dump; the index is the same for any number."""


class NoiseSettings(Settings):
    """A worse search than there is, for studies of robustness and for curricula. Rates from 0 to 1; the same query meets the same noise."""

    drop: float = Field(0.0, ge=0, le=1)
    """Chance of each result to be left out."""
    distract: float = Field(0.0, ge=0, le=1)
    """Chance of each result to be replaced by one from further down the ranking."""
    shuffle: float = Field(0.0, ge=0, le=1)
    """Chance of each search to have its results in a random order."""
    fail: float = Field(0.0, ge=0, le=1)
    """Chance of each search to fail."""
    seed: int = 1


class SearchSettings(Settings):
    """What stands between the agent and a search back end, whichever that is."""

    rerank: str = ""
    """Cross-encoder that orders the results anew: a sentence-transformers folder, or a model hub's name; empty: none."""
    rerank_depth: int = Field(20, ge=1)
    """Results it looks at."""
    cache: str = ""
    """Folder where answers are kept and looked up, shared between processes; empty: none."""
    record: str = ""
    """File to which every search is written with its answer."""
    replay: str = ""
    """File made with `record`: answers come from there, and nothing else is asked."""
    noise: NoiseSettings = NoiseSettings()
    rate: float = Field(0.0, ge=0)
    """Most searches begun in a second; 0: any number."""
    concurrency: int = Field(0, ge=0)
    """Most searches at a time; 0: any number."""
    retries: int = Field(4, ge=0)
    """Further tries, with growing pauses, where a search over the network fails in a way that may pass."""
    timeout: float = Field(30.0, gt=0)
    """Seconds until a search over the network counts as failed."""
    url: str = ""
    """Another base URL for a web provider or a wiki: a proxy, a mirror."""


class AskSettings(Settings):
    """Asks an index, or a search over the network."""

    search: SearchSettings = SearchSettings()


class ServeSettings(Settings):
    """Answers searches of other programs over HTTP, or over the Model Context Protocol."""

    host: str = "127.0.0.1"
    """Address to listen on. The default is for programs on this machine only; there is no authentication."""
    port: int = Field(8000, ge=0, le=65535)
    """0: any that is free."""
    default_k: int = Field(3, ge=1)
    """Results of a query where the request does not say."""
    max_k: int = Field(1000, ge=1)
    """Most results of a query that may be asked for."""
    max_query: int = Field(10_000, ge=1)
    """Longest query, in characters."""
    max_queries: int = Field(2048, ge=1)
    """Most queries of a request."""
    max_results: int = Field(100_000, ge=1)
    """Most results of all queries of a request together."""
    max_body: int = Field(8_000_000, ge=1)
    """Longest body of a request, in bytes."""
    max_batch: int = Field(64, ge=1)
    """Most queries, of all requests that wait, that are searched together."""
    max_waiting: int = Field(10_000, ge=1)
    """Queries that may wait; requests beyond are told to come again later (503)."""
    connections: int = Field(900, ge=1)
    """Most open connections; below the 1,024 files that a process may usually have open."""
    read_timeout: float = Field(10.0, gt=0)
    """Seconds within which a request must have arrived: its head, and then its body."""
    drain: int = Field(30, ge=0)
    """Seconds that requests have to finish once the server is told to stop."""
    open_words: int = Field(120, ge=1)
    """Words of one part of an opened page."""
    search: SearchSettings = SearchSettings()

    @field_validator("max_k")
    @classmethod
    def _max_k(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("default_k", 1):
            raise ValueError(f"it should be at least default_k, which is {info.data['default_k']}")
        return value


class MaskSettings(Settings):
    """Turns a corpus into RAMP tasks."""

    corpus: str = ""
    """Empty: the text of the index that is given; without one, wiki-summaries:en."""
    index: Ref = ""
    """Index to verify against, built from the same corpus; empty: one is built."""
    max_words: int = Field(60, ge=0)
    """As in IndexSettings; used only where no index is given (an index knows its own)."""
    language: Language = "en"
    """Language of documents that do not name their own; used only where no index is given."""
    masks: str = "1-4"
    """How many masks a task has, spread evenly over the range."""
    weights: tuple[float, ...] = ()
    """Relative shares of the mask counts in `masks`, instead of evenly."""
    limit: int | None = Field(None, ge=1)
    """Stop at so many tasks; None: one task of every passage that allows one."""
    tasks_per_document: int = Field(1, ge=1)
    split: Literal["train", "heldout", "all"] = "all"
    heldout_share: float = Field(0.2, gt=0, lt=1)
    """Share of the articles (by a hash of the title) that is kept apart."""
    extractors: tuple[ExtractorName, ...] = ("ner", "dates", "numbers")
    """Where the spans come from: ner (spaCy), links (a dump's own), dates, numbers, terms, llm (an endpoint)."""
    ner_model: str = ""
    """spaCy pipeline of the extractor `ner`; empty: the one that goes with the language."""
    strategy: Literal["uniform", "weighted", "ppl"] = "uniform"
    """Which of the usable spans are masked: any; by `category_weights`; those that `ppl_model` finds hardest."""
    category_weights: dict[str, float] = {}
    """Relative weight of each span category under `weighted`; a category that is not named weighs 1."""
    ppl_model: Ref = ""
    """Causal language model (a checkpoint folder) of the strategy `ppl`."""
    ppl_batch: int = Field(16, ge=1)
    """Passages scored at a time."""
    verify: tuple[CheckName, ...] = ("retrievable", "unique", "not-inferable")
    """Checks a task must pass: a search finds the evidence; `guess_model` cannot fill it without searching; the span stands once; nothing gives
    it away. `none`: no check."""
    retrieve_k: int = Field(5, ge=1)
    """The evidence must stand within so many results of a search with visible words."""
    guess_model: Ref = ""
    """Model of the check `not-guessable`: a checkpoint folder, or `openai:NAME` at the endpoint `llm`."""
    guess_attempts: int = Field(3, ge=1)
    """It must fail so many times: once greedily, then with sampling."""
    hide_source: bool = False
    """Hide the article a task is made of from its searches; the evidence must stand in another one."""
    exclude: Refs = ()
    """Task and question files: texts that share their titles, their supporting titles or a run of `exclude_ngram` words are not used."""
    exclude_corpus: Refs = ()
    """Corpora that hold the gold passages of the question files in `exclude`; those passages are excluded by their words as well."""
    exclude_ngram: int = Field(13, ge=3)
    near_duplicates: float = Field(0.8, ge=0, le=1)
    """Of passages that share this much of their word sequences (Jaccard, estimated by MinHash) only the first is used; 0: all are."""
    llm: str = ""
    """Base URL of an OpenAI-compatible endpoint, for the extractor `llm`; its key is read from OPENAI_API_KEY."""
    llm_model: str = ""
    """Name of the model at that endpoint."""
    concurrency: int = Field(16, ge=1)
    """Requests at a time to an endpoint."""
    workers: int = Field(1, ge=1)
    """Processes; the tasks are the same for any number."""
    engine: Literal["local", "ray"] = "local"
    shard_size: int = Field(1000, ge=1)
    """Documents worked at a time, and most that a broken-off run does again (for each worker)."""
    format: Literal["jsonl", "parquet"] = "jsonl"
    """Of the shards, where the output is a folder."""
    seed: int = 1

    @field_validator("verify")
    @classmethod
    def _verify(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "none" in value and len(value) > 1:
            raise ValueError(f"'none' stands alone, but here it stands beside {', '.join(name for name in value if name != 'none')}")
        return value

    @field_validator("masks")
    @classmethod
    def _masks(cls, value: str) -> str:
        mask_range(value)
        return value


class AgentSettings(Settings):
    """What the agent may do; shared by synthesis, RL and evaluation so that they cannot drift apart."""

    top_k: int = Field(2, ge=1)
    """Search results shown."""
    passage_words: int = Field(70, ge=1)
    """Words shown of each result."""
    max_searches: int = Field(4, ge=0)
    max_opens: int = Field(0, ge=0)
    """Pages, or further parts of pages, that may be opened by title; 0: the tool `open` is not offered."""
    open_words: int = Field(120, ge=1)
    """Words shown of a page at a time."""
    max_tokens: int = Field(320, ge=1)
    """Model tokens of a whole trajectory."""
    turn_tokens: int = Field(160, ge=1)
    """Model tokens of one turn."""
    max_length: int = Field(1024, ge=16)
    """Tokens of prompt, model and tool together."""
    corrections: int = Field(0, ge=0)
    """Turns of an episode that ask for nothing that can be done, and are answered by a fixed message; one more ends it. 0, as in the paper: the first does."""
    answer_form: Literal["spans", "paragraph"] = "spans"

    @property
    def tools(self) -> Tools:
        """What the agent is offered."""
        return ("search", "open") if self.max_opens else SEARCH_ONLY


class RoleSettings(Settings):
    """Which model plays a role of the teacher `agents`."""

    llm: str = ""
    """Base URL of an endpoint of its own; empty: the stage's `llm`."""
    model: str = ""
    """Name of a model of its own; empty: the stage's `model`."""
    temperature: float = Field(0.0, ge=0)
    max_tokens: int = Field(1024, ge=1)
    """Of a reply."""


class AgentsSettings(Settings):
    """The teacher `agents`: planner, rewriter, observer and judge, models behind endpoints (numbers as in the paper)."""

    planner: RoleSettings = RoleSettings()
    rewriter: RoleSettings = RoleSettings()
    observer: RoleSettings = RoleSettings()
    judge: RoleSettings = RoleSettings()
    queries: int = Field(3, ge=1)
    """Least queries that the rewriter makes of what is looked for."""
    per_query: int = Field(10, ge=1)
    """Results of each query."""
    merged: int = Field(10, ge=1)
    """Results of all queries of a round, merged round-robin, that the observer reads."""
    max_rounds: int = Field(4, ge=1)
    """Most rounds of searching."""
    max_reflections: int = Field(2, ge=0)
    """Rounds in which nothing was found, after which the observer may go on from its own knowledge."""
    passage_words: int = Field(100, ge=1)
    """Words of each result that the roles read."""
    merged_results: bool = False
    """Let the tool say the merged results, as in the paper, although no single search brings them; otherwise a trajectory holds what its own searches bring."""
    language: Literal["en", "zh"] = "en"
    """Of the prompts, for tasks that do not name theirs."""
    prompts: str = ""
    """Folder with prompt files in place of ours (planner.j2, planner.zh.j2, ...: see masksearch/synthesis/prompts)."""
    timeout: float = Field(120.0, gt=0)
    """Seconds until a request counts as failed."""
    retries: int = Field(4, ge=0)
    """Further tries of a request that failed in a way that may pass (429, 5xx, lost connections)."""


class SynthesizeSettings(Settings):
    """Turns tasks or questions into trajectories."""

    tasks: Ref
    """A RAMP task file or a question file."""
    index: Ref
    """An index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    teacher: Literal["oracle", "agents"] = "oracle"
    """oracle (scripted: knows the answers, but must find the evidence) or agents (models behind `llm` that plan, search, observe and are judged)."""
    oracle: Literal["first", "second"] = "first"
    """Version of the teacher `oracle`: first (quotes the span, knows which passage comes next) or second (quotes the link, must find its way)."""
    limit: int | None = Field(None, ge=1)
    """Stop at so many kept trajectories."""
    llm: str = ""
    """Base URL of an OpenAI-compatible endpoint, for the teacher `agents`; its key is read from OPENAI_API_KEY."""
    model: str = ""
    """Name of the model at that endpoint."""
    agents: AgentsSettings = AgentsSettings()
    concurrency: int = Field(16, ge=1)
    """Requests of `agents` in flight, in all processes together; up to twice as many tasks are under way."""
    max_tokens: int = Field(0, ge=0)
    """Begin no further task once so many tokens are used, of prompts and replies together; 0: no limit. A higher limit goes on."""
    max_cost: float = Field(0.0, ge=0)
    """The same in US dollars, by the price table; 0: no limit."""
    price_in: dict[str, float] = {}
    """US dollars for a million tokens of prompts, by model."""
    price_out: dict[str, float] = {}
    """US dollars for a million tokens of replies, by model."""
    engine: Literal["local", "ray"] = "local"
    workers: int = Field(1, ge=1)
    """Processes: one asks an endpoint up to about 500 times a second; more are for endpoints that answer more."""
    search: SearchSettings = SearchSettings()
    agent: AgentSettings = AgentSettings()
    seed: int = 1


class CurriculumSettings(Settings):
    """Which tasks come when, for SFT and RL alike: all mixed or by their number of masks; and, of those, evenly or by how often they are solved."""

    order: Literal["mixed", "masks"] = "mixed"
    """mixed: all tasks from the first step to the last; masks: by their number of masks, in stages."""
    stages: tuple[str, ...] = Field(("1", "2", "3", "4"), min_length=1)
    """The number of masks of each stage, or a range such as 1-2."""
    boundary: Literal["steps", "plateau"] = "steps"
    """What ends a stage: a number of steps, or no gain on the stage's tasks in `heldout`. The last one lasts to the end of the training."""
    stage_steps: tuple[int, ...] = ()
    """Steps of each stage but the last; empty: shared out evenly (SFT: as the trajectories are)."""
    solve_rate: bool = False
    """Prefer tasks that are solved sometimes, neither always nor never; measured as they are trained on, first by `solve_rates`. In SFT a trajectory counts as
    solved where each token of its answer would have been the likeliest."""
    floor: float = Field(0.05, gt=0, le=1)
    """Least weight of a task, against one that is solved half of the time or was never measured: even those are measured again."""
    half_life: int = Field(50, ge=1)
    """After so many steps a measurement of a task counts half, because the model has moved on."""
    measure_steps: int = Field(10, ge=1)
    """Measure on `heldout` every so many steps."""
    heldout_limit: int = Field(64, ge=1)
    """Measure on the first so many of the stage."""
    patience: int = Field(3, ge=1)
    """A plateau: so many measurements in a row without gain."""
    min_gain: float = Field(0.0, ge=0)
    """A gain is more than this, in F1 (SFT: in the loss)."""

    @field_validator("stages")
    @classmethod
    def _ranges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for stage in value:
            mask_range(stage)
        return value

    @field_validator("stage_steps")
    @classmethod
    def _counted(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        stages = info.data.get("stages", ())
        if value and (min(value) < 1 or len(value) != len(stages) - 1):
            raise ValueError(f"give the steps, 1 or more, of each of the {len(stages)} stages but the last")
        return value


AlarmName = Literal["nan", "unfilled", "likelihood", "entropy", "reward", "format", "ratio"]


class AlarmSettings(Settings):
    """Signs of a collapse in RL. An alarm that does not stop the run is told once."""

    stop_on: tuple[AlarmName, ...] = ("nan", "unfilled", "likelihood", "reward", "format", "ratio")
    """Which of them stop the run: nan (loss or gradient not finite), unfilled (`empty_steps`), likelihood (`likelihood_drop`), entropy (`entropy_share`),
    reward (`reward_drop`), format (`format_drop`), ratio (`ratio_limit`)."""
    then: Literal["finish", "fail"] = "finish"
    """finish: the stage ends with the best checkpoint so far (after nan with the last good one) and says so; fail: it ends with an error, and the checkpoint
    stays in its folder. Without a checkpoint it fails."""
    window: int = Field(8, ge=1)
    """Figures are compared as means over so many steps, with those of the same stage of the curriculum."""
    likelihood_drop: float = Field(0.5, gt=0)
    """Fall of the mean log-probability of right rollouts, a token, below the highest before."""
    entropy_share: float = Field(0.1, gt=0, lt=1)
    """Entropy below this share of the first window's."""
    reward_drop: float = Field(0.3, gt=0)
    """Fall of the reward below the highest before."""
    format_drop: float = Field(0.3, gt=0, le=1)
    """Fall of the share of rollouts in valid form below the highest before."""
    ratio_limit: float = Field(1.5, gt=1)
    """Mean ratio of new to old probabilities above this, or below 1 / this."""
    empty_steps: int = Field(5, ge=1)
    """So many steps in a row without one group that has both right and wrong rollouts."""


TrackerName = Literal["auto", "trackio", "wandb", "tensorboard", "none"]
Estimator = Literal["dapo", "grpo", "dr-grpo", "rloo", "gspo"]


class SftSettings(Settings):
    """Supervised fine-tuning on trajectories."""

    model: Ref
    trajectories: Refs
    learning_rate: float = Field(3e-4, gt=0)
    batch_size: int = Field(8, ge=1)
    micro_batch_size: int | None = Field(None, ge=1)
    """Rows in memory at a time; None: the whole batch."""
    epochs: float = Field(1.0, gt=0)
    max_steps: int | None = Field(None, ge=1)
    """Stop after so many optimizer steps, going round the data if need be; None: `epochs` decides."""
    warmup_ratio: float = Field(0.05, ge=0, le=1)
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(0.0, ge=0)
    max_length: int = Field(1024, ge=16)
    """Longer trajectories are left out (and counted), never cut."""
    frozen_layers: int = Field(0, ge=0)
    """The lowest so many layers, and the embeddings, stay as they are: with half of them a step costs about two thirds of the time and memory."""
    lora: bool = False
    """Train adapters beside the linear layers instead of the weights (extra `lora`), at about ten times the learning rate; the checkpoint has them merged."""
    lora_rank: int = Field(16, ge=1)
    lora_alpha: float = Field(32.0, gt=0)
    """The adapters' part is scaled by lora_alpha / lora_rank."""
    save_steps: int = Field(25, ge=1)
    """A state to resume from is saved so often."""
    activation_checkpointing: bool = False
    """Compute activations again in the backward pass: slower (TRL's documentation says by about a fifth), for models that would not fit in memory otherwise."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Compute type; weights and optimizer stay in float32. auto: bfloat16 where the hardware multiplies it, else float32."""
    curriculum: CurriculumSettings = CurriculumSettings()
    heldout: Ref = ""
    """Trajectories on which the loss is measured every `curriculum.measure_steps` steps; for stages that end with a plateau."""
    solve_rates: Ref = ""
    """How often tasks are solved, to begin with: `{"task", "solved", "sampled"}` a line, or the product of a stage `evolve`; for `curriculum.solve_rate`."""
    on_nan: Literal["finish", "fail"] = "finish"
    """What follows a loss that is not finite: the stage ends with the last good checkpoint and says so, or with an error. Without a checkpoint it fails."""
    trackers: tuple[TrackerName, ...] = ("auto",)
    """Where figures go besides log.jsonl: trackio, wandb, tensorboard, none; auto: trackio where it is installed."""
    seed: int = 1


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
            raise ValueError("where the judge's verdict is the reward, judge.url and judge.model name its endpoint and its model")
        if value.url and info.data.get("answer", "judge") != "judge":
            raise ValueError(f"the reward is by {info.data['answer']} and would not ask a judge; set reward.answer to judge, or leave judge.url out")
        return value


class VllmSettings(Settings):
    """vLLM as the back end of rollouts, by way of TRL; see docs/scale.md."""

    url: str = "http://127.0.0.1:8000"
    """Address of the server (vllm-server), without /v1."""
    memory_share: float = Field(0.3, gt=0, lt=1)
    """Share of a GPU's memory that the engine takes for weights and cache (vllm-colocate); the rest is for the training."""
    timeout: float = Field(300.0, gt=0)
    """Seconds to wait for the server: at the start until it is up, later for one turn."""

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("it is the address of a vLLM server, such as http://127.0.0.1:8000")
        return value.rstrip("/").removesuffix("/v1")


class RlSettings(Settings):
    """Reinforcement learning with DAPO, or with one of its relatives."""

    model: Ref
    tasks: Ref
    index: Ref
    """An index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    steps: int = Field(3, ge=1)
    prompts_per_step: int = Field(5, ge=1)
    group_size: int = 8
    """Rollouts of a task; each is judged against the others."""
    learning_rate: float = Field(1e-6, gt=0)
    warmup_steps: int = Field(0, ge=0)
    weight_decay: float = Field(0.1, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    algorithm: Estimator = "dapo"
    """dapo (loss a token, over all model tokens of a step), grpo (mean over each rollout first), dr-grpo (a constant for a length, advantages not divided by
    the standard deviation), rloo (each against the mean of the others; sums over rollouts), gspo (one ratio a rollout; with clips of about 3e-4 and 4e-4)."""
    beta: float = Field(0.0, ge=0)
    """Weight of the KL term against the model that training began with; 0: no term, as in DAPO, and no second model in memory."""
    clip_low: float = Field(0.2, gt=0)
    clip_high: float = Field(0.28, gt=0)
    """Clip-higher where it is more than clip_low; all algorithms but DAPO were published with the two alike, at 0.2 (gspo: see there)."""
    temperature: float = Field(1.0, gt=0)
    dynamic_sampling: bool = True
    max_refills: int = Field(3, ge=0)
    """How often more prompts are sampled for a step before it is trained with groups that say nothing."""
    overlong_filter: bool = False
    """Rollouts that were cut off at a limit of tokens carry no loss (DAPO's overlong filtering); they still count in the mean of their group."""
    curriculum: CurriculumSettings = CurriculumSettings()
    heldout: Ref = ""
    """Tasks on which the model is measured greedily every `curriculum.measure_steps` steps: for stages that end with a plateau, and for what is the best
    checkpoint."""
    solve_rates: Ref = ""
    """How often tasks are solved, to begin with: `{"task", "solved", "sampled"}` a line, or the product of a stage `evolve`; for `curriculum.solve_rate`."""
    alarms: AlarmSettings = AlarmSettings()
    take: Literal["last", "best"] = "last"
    """Which checkpoint is the product: the last one, or the best saved one by F1 on `heldout` (without one, by the reward over `alarms.window` steps)."""
    trackers: tuple[TrackerName, ...] = ("auto",)
    """Where figures go besides log.jsonl: trackio, wandb, tensorboard, none; auto: trackio where it is installed."""
    reward: RewardSettings = RewardSettings()
    search: SearchSettings = SearchSettings()
    agent: AgentSettings = AgentSettings()
    micro_batch_size: int = Field(8, ge=1)
    rollouts: Literal["slots", "vllm-server", "vllm-colocate"] = "slots"
    """What decodes the rollouts: slots (a copy of the model in this process), vllm-server (`vllm serve` on GPUs of its own, at `vllm.url`),
    vllm-colocate (a vLLM engine beside the training, on the same GPU); extra `vllm`."""
    vllm: VllmSettings = VllmSettings()
    decode_slots: int = Field(48, ge=1)
    """Rollouts that are decoded together (slots); vLLM finds its own number."""
    frozen_layers: int = Field(0, ge=0)
    """The lowest so many layers, and the embeddings, stay as they are: with half of them a step costs about two thirds of the time and memory."""
    lora: bool = False
    """Train adapters beside the linear layers instead of the weights (extra `lora`), at about ten times the learning rate; the checkpoint has them merged."""
    lora_rank: int = Field(16, ge=1)
    lora_alpha: float = Field(32.0, gt=0)
    """The adapters' part is scaled by lora_alpha / lora_rank."""
    save_steps: int = Field(1, ge=1)
    activation_checkpointing: bool = False
    """Compute activations again in the backward pass: slower (TRL's documentation says by about a fifth), for models that would not fit in memory otherwise."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    seed: int = 1

    @model_validator(mode="after")
    def _best_is_saved(self) -> Self:
        every = self.curriculum.measure_steps
        if self.take == "best" and self.heldout and every % self.save_steps:
            raise ValueError(
                f"take is best, but the held-out tasks are measured every {every} steps (curriculum.measure_steps) and states saved every {self.save_steps} "
                "(save_steps), and only a saved state can be kept; make measure_steps a multiple of save_steps"
            )
        return self

    @field_validator("group_size")
    @classmethod
    def _compared(cls, value: int) -> int:
        if value < 2:
            raise ValueError("a rollout is judged against the others of its group, so a group needs 2 or more")
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


class EvalSettings(Settings):
    """Measures a model on tasks or questions."""

    questions: Ref
    """A RAMP task file; a question file, ours or as a suite publishes it; or a suite's name: its questions are taken from the hub (`masksearch suites`)."""
    model: Ref
    """A checkpoint folder; or `openai:NAME`, with native tool calls `openai-tools:NAME`, at the endpoint `llm`."""
    index: Ref = ""
    """What is searched, for the methods that do: an index folder, http://HOST:PORT, web:NAME or wikipedia:LANGUAGE."""
    method: Method = "agent"
    """closed-book (from memory); rag (searched once, with the question); agent-prompted (the protocol explained in the prompt, for models that were
    never trained on it); agent (the prompt of training)."""
    suite: str = ""
    """Which suite the questions are of, where the file does not tell, and its name in tables; empty: found, else the file's name."""
    label: str = ""
    """What tables call the model; empty: its name."""
    hide_gold: bool = False
    """Hide the gold passages of each question from its searches: what is still answered right was known before (contamination)."""
    judge: JudgeSettings = JudgeSettings()
    llm: str = ""
    """Base URL of an OpenAI-compatible endpoint; its key is read from OPENAI_API_KEY."""
    limit: int | None = Field(None, ge=1)
    not_trained_on: Refs = ()
    """Task files of training; an article in one of them must not be evaluated on (checked)."""
    temperature: float = Field(0.0, ge=0)
    search: SearchSettings = SearchSettings()
    agent: AgentSettings = AgentSettings()
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of a checkpoint in this process; the one used is in the results."""
    decode_slots: int = Field(48, ge=1)
    chunk: int = Field(128, ge=1)
    """Results are written down after so many questions; a resumed run repeats whole chunks only, so that its figures are the same."""
    concurrency: int = Field(8, ge=1)
    """Requests at a time to an endpoint."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Share of the questions that an endpoint or a search may fail; they count as they came out. Above it there is no result."""
    bootstrap: int = Field(2000, ge=100)
    """Resamples of the 95% intervals."""
    seed: int = 1


class CompareSettings(Settings):
    """Sets results side by side."""

    results: Refs = ()
    baseline: Ref = ""
    """Result that the others are compared with, paired by question; empty: the first of the same suite."""
    groups: dict[str, Refs] = {}
    """Arms to compare over seeds and suites: name -> results."""
    metric: tuple[str, ...] = Field(("recall",), min_length=1)
    """Measures of the main table, one table each: recall, f1, em, cover_em, judge_strict or any other that the results hold."""
    format: Literal["text", "markdown", "latex", "csv"] = "text"
    """Of the printed tables, and of the file beside the output; csv holds every measure, one a line and in full precision, and no tables."""
    tables: tuple[Literal["main", "arms", "details", "kinds", "failures", "robustness", "contamination", "differences"], ...] = ()
    """Which tables; empty: all that have something to show."""
    intervals: bool = False
    """95% intervals in the main tables too (the others always have them)."""
    digits: int = Field(1, ge=0, le=4)
    """Decimals of scores, which tables give in percent."""
    test: Literal["permutation", "bootstrap"] = "permutation"
    """Paired test over the questions: flips of signs, or a bootstrap of the shifted differences."""
    correction: Literal["holm", "benjamini-hochberg", "none"] = "holm"
    """Of p for many comparisons: over all tests of one measure in this comparison."""
    allow_different_retrievers: bool = False
    """Compare results of one suite that were searched in different ways."""
    allow_different_questions: bool = False
    """Compare results of one suite over the questions that they share."""
    bootstrap: int = Field(2000, ge=100)
    """Resamples of the intervals and of the tests."""
    seed: int = 1


class ReportSettings(Settings):
    """One HTML page of a run."""

    title: str = ""
    against: tuple[str, ...] = ()
    """Folders of other runs whose evaluations are shown beside."""
    trajectories: int = Field(5000, ge=1)
    """Most trajectories that the page holds, shared evenly among the stages; it says where it leaves some out."""
    trajectories_per_stage: int = Field(5000, ge=1)
    """Most trajectories of one stage that the page holds."""


class EvolveSftSettings(Settings):
    """Training in each round of self-evolution: fields of SftSettings, with the same meaning."""

    learning_rate: float = Field(3e-4, gt=0)
    batch_size: int = Field(8, ge=1)
    micro_batch_size: int | None = Field(None, ge=1)
    """Rows in memory at a time; None: the whole batch."""
    epochs: float = Field(1.0, gt=0)
    max_steps: int | None = Field(None, ge=1)
    """Stop after so many optimizer steps, going round the data if need be; None: `epochs` decides."""
    warmup_ratio: float = Field(0.05, ge=0, le=1)
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = Field(0.0, ge=0)
    max_length: int = Field(1024, ge=16)
    """Longer trajectories are left out of the training (and counted), never cut."""
    frozen_layers: int = Field(0, ge=0)
    """The lowest so many layers, and the embeddings, stay as they are."""
    lora: bool = False
    """Train adapters beside the linear layers (extra `lora`), at about ten times the learning rate; what a round leaves has them merged."""
    lora_rank: int = Field(16, ge=1)
    lora_alpha: float = Field(32.0, gt=0)
    save_steps: int = Field(25, ge=1)
    """A state to resume from is saved so often."""
    activation_checkpointing: bool = False
    """Compute activations again in the backward pass: slower, for models that would not fit in memory otherwise."""


class EvolveSettings(Settings):
    """Self-evolution: a teacher is trained, works fresh tasks, and what it got right becomes its next training data."""

    model: Ref
    """The model to begin with: a checkpoint folder."""
    trajectories: Refs = Field(min_length=1)
    """Seed data, by the scripted teacher or by agents."""
    tasks: Refs = Field(min_length=1)
    """RAMP task or question files that fresh tasks are drawn from; each task is used in one round only."""
    index: Ref
    """An index folder, or a search over the network: http://HOST:PORT, web:NAME, wikipedia:LANGUAGE."""
    heldout: Ref = ""
    """Tasks or questions that each round's teacher is measured on, greedily; empty: no measure, and all rounds are done."""
    heldout_limit: int | None = Field(None, ge=1)
    """Measure on the first so many."""
    rounds: int = Field(3, ge=1)
    """Most rounds."""
    tasks_per_round: int = Field(1000, ge=1)
    samples: int = Field(4, ge=1)
    """Rollouts of each task."""
    temperature: float = Field(1.0, gt=0)
    """Of the rollouts."""
    start: Literal["base", "previous"] = "base"
    """What each round trains: the model to begin with, or the teacher of the round before."""
    accept: Literal["auto", "f1", "judge"] = "auto"
    """What says that an answer is correct: the span metric (f1) or the judge; auto: the judge where `judge.url` is given."""
    min_f1: float = Field(1.0, gt=0, le=1)
    """From this F1 on an answer is correct, by the span metric."""
    judge: JudgeSettings = JudgeSettings()
    """The strict verdict counts, or the relaxed one where that alone is among `modes`."""
    min_searches: int = Field(1, ge=0)
    """Correct trajectories with fewer searches are not kept: nothing about searching is learnt from a lucky guess."""
    keep_per_task: int = Field(2, ge=1)
    """Most correct trajectories of one task that are kept."""
    near_copies: float = Field(0.8, gt=0, le=1)
    """Of trajectories whose thoughts and queries are alike from this Jaccard similarity on, the first is kept."""
    per_document: int = Field(4, ge=0)
    """Most trajectories on one document, seed data included; 0: any number."""
    pattern_share: float = Field(0.2, gt=0, le=1)
    """Most of a round's correct trajectories that may follow one query pattern, as a share."""
    mix: float = Field(0.25, ge=0, lt=1)
    """Least share of the seed data in what a teacher is trained on; where there is less of it, it is repeated."""
    patience: int = Field(2, ge=0)
    """Stop after so many rounds in a row without gain on `heldout`; 0: never."""
    metric: Literal["f1", "recall", "em"] = "f1"
    """Measure on `heldout` in which a gain is looked for."""
    min_gain: float = Field(0.0, ge=0, lt=1)
    """A round gains if its mean is higher by more than this than that of the best round before it."""
    take: Literal["best", "last"] = "best"
    """Whose model is the product: the best round's on `heldout` (without one, the last round's), or the last round's."""
    keep_models: bool = False
    """Keep the model of every round, and not those of the best and the last alone."""
    sft: EvolveSftSettings = EvolveSftSettings()
    search: SearchSettings = SearchSettings()
    agent: AgentSettings = AgentSettings()
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of training and decoding; auto: bfloat16 where the hardware multiplies it, else float32."""
    decode_slots: int = Field(48, ge=1)
    chunk: int = Field(32, ge=1)
    """Tasks whose rollouts are written down together; a resumed run repeats whole chunks only, so that it ends with the same data."""
    allow_failed: float = Field(0.0, ge=0, le=1)
    """Share of the rollouts, and of the measured tasks, that a search may fail; above it the run stops."""
    bootstrap: int = Field(2000, ge=100)
    """Resamples of the 95% intervals."""
    seed: int = 1
