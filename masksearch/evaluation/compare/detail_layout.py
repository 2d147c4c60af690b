"""Builds the tables with one row for each result: scores, cost and evidence, kinds of answers, failures."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch.evaluation.compare.formatting import ALL_MASKS, Figures, Values, by_suite, named
from masksearch.evaluation.failures import FAILURES, RIGHT
from masksearch.evaluation.rules import DESCRIPTIONS, Rule
from masksearch.evaluation.tables import Cell, Table

_SCORES = (
    "recall",
    "precision",
    "f1",
    "em",
    "em_all",
    "cover_em",
    "cover_em_all",
    "sub_em",
    "fanoutqa_loose",
    "fanoutqa_strict",
    "parts_recall",
    "parts_all",
    "judge_strict",
    "judge_relaxed",
    "judge_frames",
    "judge_fresheval_strict",
    "judge_fresheval_relaxed",
    "judge_errors",
    "f1_false_premise",
    "valid",
    "free_recall",
)
_COSTS = (
    "answer_tokens",
    "searches",
    "model_tokens",
    "total_tokens",
    "seconds",
    "evidence_recall",
    "evidence",
    "f1_given_evidence",
    "grounded",
    "supported",
    "false_quotes",
    "yes_no_share",
    "yes_no_gold_share",
)
_NOTED = ("unjudged", "not_recorded")
"""Kinds of failure that a note below the table describes."""
_KINDS = (("yes_no", "yes/no"), ("in_question", "in the question"), ("open", "open"))
_GUESSABLE = (
    ("guessable_share", "share"),
    ("f1_guessable", "F1 guessable"),
    ("f1_not_guessable", "F1 other"),
)


def details(found: Values, figures: Figures) -> list[Table]:
    """Returns a table of all scores and a table of cost and retrieved evidence."""
    if not found["rows"]:
        return []
    notes = ["Anywhere: gold words found anywhere in the output."] if _has(found, "free_recall") else []
    if figures.several:
        notes.append(
            "Scores of tasks with several masks are means over the masks; (all masks): of every mask."
        )
    scores = _columns(found, figures, "Scores (%)", _SCORES, " ".join(notes))
    costs = _columns(found, figures, "Cost and retrieved evidence (means; shares and F1 in %)", _COSTS, "")
    # The first four columns name the result. A table without further columns has no measure and is left out.
    return [table for table in (scores, costs) if len(table.headers) > 4]


def _has(found: Values, metric: str) -> bool:
    return any(metric in row["metrics"] for row in found["rows"])


def _columns(found: Values, figures: Figures, caption: str, metrics: Sequence[str], note: str) -> Table:
    hidden = () if figures.several else ALL_MASKS
    rows = by_suite(found["rows"])
    shown = [metric for metric in metrics if metric not in hidden and _has(found, metric)]
    body = [(*named(row), *(figures.metric(row, metric) for metric in shown)) for row in rows]
    return Table(
        caption,
        ("suite", "method", "model", "n", *map(figures.name, shown)),
        "lllr" + "r" * len(shown),
        tuple(body),
        note,
    )


def kinds(found: Values, figures: Figures) -> list[Table]:
    """Returns a table of the scores by kind of answer: yes/no, contained in the question, open.

    Results files of older versions do not have kinds of answers, only the scores of guessable and other
    questions. These files get a second table.
    """
    rows = by_suite([row for row in found["rows"] if row["kinds"]])
    shown = [(kind, name) for kind, name in _KINDS if any(row["kinds"].get(kind) for row in rows)]
    body = [(*named(row), *(cell for kind, _ in shown for cell in _kind(figures, row, kind))) for row in rows]
    headers = (
        "suite",
        "method",
        "model",
        "n",
        *(text for _, name in shown for text in (f"{name}: n", "F1", "EM")),
    )
    tables = []
    if shown:
        tables.append(Table("By kind of answer (%)", headers, "lllr" + "rrr" * len(shown), tuple(body)))
    old = [row for row in found["rows"] if not row["kinds"] and "guessable_share" in row["metrics"]]
    guess = [(*named(row), *(figures.metric(row, key) for key, _ in _GUESSABLE)) for row in old]
    headers = ("suite", "method", "model", "n", *(name for _, name in _GUESSABLE))
    if guess:
        caption = "Guessable questions (%): the answer is yes/no or occurs in the question"
        tables.append(Table(caption, headers, "lllrrrr", tuple(guess)))
    return tables


def _kind(figures: Figures, row: Values, kind: str) -> list[Cell]:
    return [
        Cell(str(row["kinds"].get(kind, 0))),
        *(figures.metric(row, f"{metric}_{kind}") for metric in ("f1", "em")),
    ]


def failures(found: Values, figures: Figures) -> list[Table]:
    """Returns a table of the share of right answers and of each kind of failure, for each rule by which the
    results count an answer as right."""
    rows = by_suite([row for row in found["rows"] if row["failures"]])
    rules = dict.fromkeys(row.get("rule", "f1") for row in rows)
    return [
        _failures([row for row in rows if row.get("rule", "f1") == rule], rule, figures) for rule in rules
    ]


def _failures(rows: Sequence[Values], rule: Rule, figures: Figures) -> Table:
    present = {kind for row in rows for kind, count in row["failures"].items() if count}
    # Results files of other versions may have kinds that this version does not know; these come last.
    shown = [kind for kind in dict.fromkeys((RIGHT, *FAILURES, *sorted(present))) if kind in present]
    body = [
        (*named(row), *(Cell(figures.figure(row["failures"].get(kind, 0) / row["n"], "")) for kind in shown))
        for row in rows
    ]
    headers = ("suite", "method", "model", "n", *(kind.replace("_", " ") for kind in shown))
    caption = "Right answers and kinds of failure (% of the questions)"
    notes = [f"Right: {DESCRIPTIONS[rule]}."]
    notes += [f"{kind.replace('_', ' ').capitalize()}: {FAILURES[kind]}." for kind in _NOTED if kind in shown]
    return Table(caption, headers, "lllr" + "r" * len(shown), tuple(body), " ".join(notes))
