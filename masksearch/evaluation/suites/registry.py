"""Lists the known suites, each with the source and the licence of its questions, its scoring and its corpus.

    name              questions from                          scored by       corpus
    hotpotqa          the hub, or the authors' JSON           exact           in the release (distractor)
    2wikimultihopqa   the hub (a copy), or the authors' JSON  exact           in the release
    musique           the hub (a copy), or the authors' JSONL exact           in the release
    bamboogle         the hub (a copy), or the authors' CSV   exact           the web
    fanoutqa          the authors' JSON                       list            Wikipedia
    freshqa           the authors' sheet as CSV, by date      false-premise   the web
    frames            the hub, or the authors' TSV            exact           Wikipedia
    nq-open           the hub, or the authors' JSONL          exact           Wikipedia
    triviaqa          the hub, or the authors' JSON           exact           Wikipedia
    popqa             the hub (a copy), or the authors' TSV   exact           Wikipedia
    simpleqa          the hub (a copy), or the authors' CSV   exact           the web
    browsecomp        the authors' CSV, encrypted             exact           the web
    gaia              the hub, after their permission         exact           the web
    ramp              `masksearch mask`, held out             exact           its own index

The corpus is the text to search for the answers. Answers are scored by

    exact           token overlap with the gold answers
    list            the same, and the share of the gold answer's parts that the answer contains
                    (scoring/list_answers.py)
    false-premise   exact, and a separate score for questions that assume something false
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from masksearch.errors import UsageError
from masksearch.text.nearest import guess

Scoring = Literal["exact", "list", "false-premise"]
Corpus = Literal["in the release", "Wikipedia", "the web", "its own index"]


@dataclass(frozen=True, slots=True)
class DatedRelease:
    """A dated release of a suite whose answers change over time.

    `date` is the date in ISO format, `url` the address of the release's sheet.
    """

    date: str
    url: str


@dataclass(frozen=True, slots=True)
class Suite:
    """The metadata of a suite."""

    name: str
    """Name in commands and files."""
    title: str
    """Name in messages and tables."""
    citation: str
    """arXiv id of the paper."""
    licence: str
    """Licence of the questions, as the authors state it."""
    formats: tuple[str, ...]
    """File formats that the authors publish. A file with the same fields can also be read in any other
    container (JSON, JSONL, CSV, TSV, Parquet)."""
    scoring: Scoring
    """How answers are scored (see the docstring of this module)."""
    corpus: Corpus
    """The text to search for the answers. "in the release" means that each question comes with
    paragraphs, which together are the corpus."""
    home: str = ""
    """Address at which the authors publish the files."""
    hub: str = ""
    """Name of the suite's data set on the Hugging Face hub; empty if the hub has no readable copy."""
    config: str = ""
    """Configuration of that data set; empty if it has no named configuration."""
    split: str = ""
    """Split of that data set to evaluate on."""
    aliases: tuple[str, ...] = ()
    """Other names that the field has for the suite; the name of its data set on the hub is one too."""
    releases: tuple[DatedRelease, ...] = ()
    """Some dated releases, oldest first; the authors' page lists all of them. The answers of a release are
    right as of its date."""

    @property
    def source(self) -> str:
        """The source of the questions in tables: a hub data set, a file to download, or a command."""
        if self.hub:
            return ":".join(filter(None, (self.hub, self.config))) + f"@{self.split}"
        return f"a file from {self.home}" if self.home else "masksearch mask"


def _sheet(date: str, key: str) -> DatedRelease:
    return DatedRelease(date, f"https://docs.google.com/spreadsheets/d/{key}")


_ALL = (
    Suite(
        name="hotpotqa",
        title="HotpotQA",
        citation="1809.09600",
        licence="CC BY-SA 4.0",
        formats=(
            "JSON (hotpot_dev_distractor_v1.json, hotpot_dev_fullwiki_v1.json, hotpot_train_v1.1.json)",
            "Parquet (hub)",
        ),
        scoring="exact",
        corpus="in the release",
        home="https://hotpotqa.github.io",
        hub="hotpotqa/hotpot_qa",
        config="distractor",
        split="validation",
        aliases=(
            "hotpot",
            "hotpotqa distractor",
            "hotpotqa fullwiki",
            "hotpot dev distractor",
            "hotpot dev fullwiki",
        ),
    ),
    Suite(
        name="2wikimultihopqa",
        title="2WikiMultiHopQA",
        citation="2011.01060",
        licence="Apache-2.0",
        formats=("JSON (dev.json, train.json; aliases from id_aliases.json next to it)", "Parquet (hub)"),
        scoring="exact",
        corpus="in the release",
        home="https://github.com/Alab-NII/2wikimultihop",
        hub="framolfese/2WikiMultihopQA",
        split="validation",
        aliases=("2wiki", "2wikimqa", "2wikimultihop", "2wikihop"),
    ),
    Suite(
        name="musique",
        title="MuSiQue",
        citation="2108.00573",
        licence="CC BY 4.0",
        formats=("JSONL (musique_ans_v1.0_dev.jsonl, musique_full_v1.0_dev.jsonl)",),
        scoring="exact",
        corpus="in the release",
        home="https://github.com/StonyBrookNLP/musique",
        hub="dgslibisey/MuSiQue",
        split="validation",
        aliases=("musique ans", "musique full"),
    ),
    Suite(
        name="bamboogle",
        title="Bamboogle",
        citation="2210.03350",
        licence="MIT",
        formats=("CSV (Question, Answer)",),
        scoring="exact",
        corpus="the web",
        home="https://github.com/ofirpress/self-ask",
        hub="chiayewken/bamboogle",
        split="test",
    ),
    Suite(
        name="fanoutqa",
        title="FanOutQA",
        citation="2402.14116",
        licence="CC BY-SA 4.0",
        formats=("JSON (fanout-final-dev.json)",),
        scoring="list",
        corpus="Wikipedia",
        home="https://github.com/zhudotexe/fanoutqa/tree/main/fanoutqa/data",
        aliases=("fanout",),
    ),
    Suite(
        name="freshqa",
        title="FreshQA",
        citation="2310.03214",
        licence="Apache-2.0",
        formats=("CSV (the sheet of a date)",),
        scoring="false-premise",
        corpus="the web",
        home="https://github.com/freshllms/freshqa",
        releases=(
            _sheet("2023-12-19", "1VgNv2e12hyTyHFuZ-7F3QzVcdbenA4Sz-W47VaKKTck"),
            _sheet("2024-02-26", "1V6nIxVTI9tqZ-wfgK-uFuUPiGEa1Zmnz53OeGbaNtO0"),
            _sheet("2024-05-27", "1cPtDoCgBG3weih7AuAnXk9jsgEH8XMWYHzKMD1OgX-4"),
            _sheet("2024-08-26", "1l6gLnJvHPHL80RM2FtNumkD6szsvtp8E7JV7cR61lX0"),
            _sheet("2024-11-25", "1d7clVEos4LNy0oJ61QYwrXUVN4LG-APtszjAC0As-i8"),
            _sheet("2025-02-24", "1e_0mORRXJsCgLR2ZaaBWm2tzfWB2msjQ---a9jaBZnE"),
            _sheet("2025-04-28", "1GjyHES7YDEbcVsrXx8dBxSG6mfYBeBqpRAB5a0MWouA"),
            _sheet("2025-07-14", "1B9vaXV7K_2WPAxkO4OuLrN1YS8zOQ0bBFPU5apnUpU0"),
        ),
        aliases=("fresh",),
    ),
    Suite(
        name="frames",
        title="FRAMES",
        citation="2409.12941",
        licence="Apache-2.0",
        formats=("TSV (test.tsv)",),
        scoring="exact",
        corpus="Wikipedia",
        home="https://huggingface.co/datasets/google/frames-benchmark",
        hub="google/frames-benchmark",
        split="test",
        aliases=("frames benchmark",),
    ),
    Suite(
        name="nq-open",
        title="NQ-open",
        citation="1906.00300",
        licence="CC BY-SA 3.0",
        formats=("JSONL (NQ-open.dev.jsonl)", "Parquet (hub)"),
        scoring="exact",
        corpus="Wikipedia",
        home="https://github.com/google-research-datasets/natural-questions/tree/master/nq_open",
        hub="google-research-datasets/nq_open",
        split="validation",
        aliases=("nq", "natural questions", "natural questions open"),
    ),
    Suite(
        name="triviaqa",
        title="TriviaQA",
        citation="1705.03551",
        licence="not stated",
        formats=("JSON (unfiltered-web-dev.json, wikipedia-dev.json)", "Parquet (hub)"),
        scoring="exact",
        corpus="Wikipedia",
        home="https://nlp.cs.washington.edu/triviaqa/",
        hub="mandarjoshi/trivia_qa",
        config="rc.nocontext",
        split="validation",
        aliases=("trivia", "tqa"),
    ),
    Suite(
        name="popqa",
        title="PopQA",
        citation="2212.10511",
        licence="MIT",
        formats=("TSV (popQA.tsv)",),
        scoring="exact",
        corpus="Wikipedia",
        home="https://github.com/AlexTMallen/adaptive-retrieval",
        hub="akariasai/PopQA",
        split="test",
    ),
    Suite(
        name="simpleqa",
        title="SimpleQA",
        citation="2411.04368",
        licence="MIT",
        formats=("CSV (simple_qa_test_set.csv)",),
        scoring="exact",
        corpus="the web",
        home="https://github.com/openai/simple-evals",
        hub="basicv8vc/SimpleQA",
        split="test",
        aliases=("simple qa verified",),
    ),
    Suite(
        name="browsecomp",
        title="BrowseComp",
        citation="2504.12516",
        licence="MIT",
        formats=("CSV with encrypted rows (browse_comp_test_set.csv)",),
        scoring="exact",
        corpus="the web",
        home="https://github.com/openai/simple-evals",
    ),
    Suite(
        name="gaia",
        title="GAIA",
        citation="2311.12983",
        licence="not to be shared outside a gated repository",
        formats=("JSONL (metadata.jsonl)", "Parquet (metadata.parquet)"),
        scoring="exact",
        corpus="the web",
        home="https://huggingface.co/datasets/gaia-benchmark/GAIA",
        hub="gaia-benchmark/GAIA",
        config="2023_all",
        split="validation",
    ),
    Suite(
        name="ramp",
        title="held-out RAMP tasks",
        citation="2505.20285",
        licence="that of the masked text",
        formats=("JSONL or Parquet of `masksearch mask`",),
        scoring="exact",
        corpus="its own index",
    ),
)
SUITES = {suite.name: suite for suite in _ALL}


def registered(name: str) -> str:
    """Returns the name of a suite as it is registered: `hotpotqa` for `HotpotQA`; empty for an unknown one.

    Names are compared without case, spaces, hyphens and underscores.
    """
    return _NAMES.get(_bare(name), "")


def same_name(name: str) -> str:
    """Returns what names of one suite have in common: its registered name, or the name without case."""
    return registered(name) or " ".join(name.split()).casefold()


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


_NAMES = {
    _bare(spelled): suite.name
    for suite in _ALL
    for spelled in (*filter(None, (suite.hub,)), *suite.aliases, suite.title, suite.name)
}


def find_suite(name: str) -> Suite:
    """Returns the suite with this name, in any case. Raises UsageError for an unknown name."""
    found = registered(name)
    if not found:
        raise UsageError(
            f"There is no suite '{name}'{guess(name, SUITES)}; the suites are {', '.join(SUITES)}."
        )
    return SUITES[found]


def suite_of(source: str) -> tuple[str, str]:
    """Returns the registered name of the suite that a source of questions names, and the split after `@`.

    Both are empty for any other source. A path that exists is no suite, unless it is spelled as registered.
    """
    name, _, split = source.partition("@")
    if name in SUITES:
        return name, split
    known = registered(name)
    return (known, split) if known and not Path(source).exists() else ("", "")
