"""Kinds of failure and evidence recall, both computed from the trajectory."""

import pytest

from masksearch.evaluation.evidence import appears_in, evidence_recall
from masksearch.evaluation.failures import FAILURES, count_failures
from masksearch.evaluation.rows import row
from masksearch.evaluation.rules import is_right
from masksearch.evaluation.settings import EvalSettings
from masksearch.scoring.metrics import score_task
from masksearch.types import MaskedTask, Question, Trajectory, Turn, Usage, task_json

SETTINGS = EvalSettings(questions="q", model="m")
JUDGED = EvalSettings.model_validate(
    {"questions": "q", "model": "m", "judge": {"url": "http://127.0.0.1:1/v1", "model": "j"}}
)
QUESTION = Question(
    id="q",
    question="On which river does Town1 lie?",
    answers=("Flow One",),
    supporting_passages=("d1", "d2"),
    supporting_titles=("Town1", "Flow One"),
)
MASKED = MaskedTask(
    id="t",
    doc_id="d",
    title="T",
    text="[mask] lies on the [mask].",
    answers=("Town1", "Flow One"),
    masks=2,
    original="Town1 lies on the Flow One.",
)


def trajectory(*texts, answer="", status="answered", task=QUESTION, retrieved=(), errors=()):
    """Builds a trajectory; texts that start with `<information>` are the tool's turns, all others the
    model's."""
    turns = tuple(
        Turn(role="tool" if text.lstrip().startswith("<information>") else "model", text=text)
        for text in texts
    )
    searches = sum(turn.role == "tool" for turn in turns)
    scores = score_task(answer, task, "spans").to_json()
    return Trajectory(
        id=task.id,
        task=task_json(task),
        turns=turns,
        answer=answer,
        status=status,
        scores=scores,
        usage=Usage(searches=searches),
        retrieved=retrieved,
        search_errors=errors,
    )


def information(*passages):
    lines = "\n".join(f"[{number}] {passage}" for number, passage in enumerate(passages, 1))
    return f"\n<information>\n{lines}\n</information>\n"


SEARCH = "<think>look</think>\n<search>Town1 river</search>"
BOTH = information("Town1: Town1 lies on the Flow One.", "Flow One: A river.")
FOUND = (("d1#1", "d9"), ("d2",))


def answered(text, thought="so"):
    return f"<think>{thought}</think>\n<answer>{text}</answer>"


CASES = {
    "": trajectory(SEARCH, BOTH, answered("the Flow One"), answer="the Flow One", retrieved=FOUND),
    "failed": trajectory(
        SEARCH, information("The search failed."), answered("Nile"), answer="Nile", errors=("gone",)
    ),
    "ran_out": trajectory(SEARCH, BOTH, SEARCH, status="too_many_searches", retrieved=FOUND),
    "bad_format": trajectory("I do not know.", status="no_answer"),
    "over_long": trajectory(
        SEARCH,
        BOTH,
        answered("x"),
        answer="It is the Flow One or the Nile or the Rhine or the Danube",
        retrieved=FOUND,
    ),
    "answer_lost": trajectory(
        SEARCH, BOTH, answered("Nile", "it is the Flow One, I read"), answer="Nile", retrieved=FOUND
    ),
    "never_searched": trajectory(answered("Nile"), answer="Nile"),
    "not_retrieved": trajectory(
        SEARCH, information("Town9: A town."), answered("Nile"), answer="Nile", retrieved=(("d9",),)
    ),
    "not_used": trajectory(SEARCH, BOTH, answered("Nile"), answer="Nile", retrieved=FOUND),
}


@pytest.mark.parametrize("kind", CASES)
def test_every_kind(kind):
    assert row(CASES[kind], SETTINGS)["failure"] == kind


def test_every_kind_is_described_and_counted():
    others = {"unjudged", "not_known", "not_recorded"}  # of a judge, of other methods, of earlier files
    assert set(CASES) - {""} == set(FAILURES) - others
    rows = [row(one, SETTINGS) for one in CASES.values()]
    kinds = {kind: 1 for kind in FAILURES if kind not in others}
    assert count_failures([*rows, rows[0]]) == {"right": 2, **kinds}


def test_half_of_a_gold_answer_is_not_right():
    assert not is_right({"f1": 0.5}, "f1")
    assert is_right({"f1": 0.51}, "f1")
    assert is_right({"f1": 0.5}, "f1-mean")


def test_a_judge_decides_where_there_is_one():
    assert is_right({"f1": 0.0, "judge_strict": 1}, "judge")
    assert is_right({"f1": 1.0, "judge_strict": 0}, "judge") is False
    found = row(CASES["not_used"], JUDGED, judged={"judge_strict": 1})
    assert (found["right"], found["failure"]) == (1, "")


def test_an_unreadable_verdict_is_neither_right_nor_wrong():
    unread = row(CASES[""], JUDGED, judged={"judge_error": "strict: unreadable"})
    assert unread["f1"] == 1
    assert "right" not in unread
    assert unread["failure"] == "unjudged"
    assert is_right(unread, "judge") is None
    gone = CASES["failed"].model_copy(update={"status": "search_failed"})
    failed = row(gone, JUDGED)  # is not sent to the judge
    assert (failed["right"], failed["failure"]) == (0, "failed")


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (SETTINGS.model_copy(update={"method": "closed-book"}), "not_known"),
        (
            EvalSettings.model_validate({"questions": "q", "model": "m", "agent": {"max_searches": 0}}),
            "not_known",
        ),
        (SETTINGS, "never_searched"),
    ],
)
def test_a_method_without_a_search_never_failed_to_search(settings, kind):
    assert row(CASES["never_searched"], settings)["failure"] == kind


def test_a_gold_answer_in_the_question_is_no_lost_answer():
    asked = Question(id="q", question="Which is longer, Nile or Rhine?", answers=("Nile",))
    lost = trajectory(
        SEARCH, information("Nile: Long."), answered("Rhine", "Nile or Rhine"), answer="Rhine", task=asked
    )
    assert row(lost, SETTINGS)["failure"] == "not_used"
    yes = Question(id="q", question="Is it so?", answers=("yes",))
    assert (
        row(trajectory(answered("no", "yes it is"), answer="no", task=yes), SETTINGS)["failure"]
        == "never_searched"
    )


def test_an_answer_that_is_a_part_of_the_gold_hides_no_lost_answer():
    lost = trajectory(
        SEARCH,
        BOTH,
        answered("Flow", "So the answer is Flow One"),
        answer="Flow",
        task=QUESTION,
        retrieved=FOUND,
    )
    assert (
        row(lost.model_copy(update={"scores": {**lost.scores, "f1": 0.4}}), SETTINGS)["failure"]
        == "answer_lost"
    )
    both = trajectory(SEARCH, BOTH, answered("Flow", "Town1 and Flow One"), answer="Flow", task=MASKED)
    assert row(both, SETTINGS)["failure"] == "answer_lost"
    # Gold answers in the wrong order are the final answer itself, so no earlier answer was lost.
    swapped = trajectory(
        SEARCH, BOTH, answered("1. Flow One\n2. Town1", "it is"), answer="1. Flow One\n2. Town1", task=MASKED
    )
    assert row(swapped, SETTINGS)["failure"] == "not_used"


def test_an_answer_that_the_judge_calls_wrong_is_not_too_long_for_it():
    exact = trajectory(
        SEARCH, BOTH, answered("Flow One", "it is the Flow One"), answer="Flow One", retrieved=FOUND
    )
    assert row(exact, SETTINGS, judged={"judge_strict": 0})["failure"] == "not_used"
    assert row(CASES["over_long"], SETTINGS, judged={"judge_strict": 0})["failure"] == "over_long"


def test_without_a_search_tool_nothing_was_retrieved():
    closed = SETTINGS.model_copy(update={"method": "closed-book"})
    found = row(CASES["never_searched"], closed)
    assert "evidence" not in found
    assert found["failure"] == "not_known"


@pytest.mark.parametrize(
    ("one", "share"),
    [
        (CASES["not_used"], 1.0),
        (CASES["not_retrieved"], 0.0),
        (trajectory(SEARCH, information("Elsewhere: text"), retrieved=(("d2#3",),)), 0.5),
        # Other documents whose ids start with a gold id.
        (trajectory(SEARCH, information("x: y"), retrieved=(("d11", "d1x"),)), 0.0),
        # Documents of another corpus count by title.
        (
            trajectory(
                SEARCH,
                information("Town1: other text, from the web", "Flow One (2/3): a part"),
                retrieved=(("http://a",),),
            ),
            1.0,
        ),
        (trajectory(SEARCH, information("Town11: no"), retrieved=(("http://a",),)), 0.0),
        (trajectory(answered("x")), 0.0),
    ],
)
def test_gold_passages(one, share):
    assert evidence_recall(one, QUESTION) == share


def test_a_paragraph_of_the_same_title_is_no_evidence_where_documents_are_known():
    one = Question(
        id="q",
        question="?",
        answers=("x",),
        supporting_passages=("suite-1", "suite-2"),
        supporting_titles=("Palace",),
    )
    other = trajectory(
        SEARCH, information("Palace: another paragraph"), task=one, retrieved=(("suite-7#2",),)
    )
    # The id prefix `suite-` shows that the index has the suite's own paragraphs, so titles do not count.
    assert evidence_recall(other, one) == 0.0
    assert row(other.model_copy(update={"answer": "y"}), SETTINGS)["failure"] == "not_retrieved"
    half = trajectory(
        SEARCH,
        information("Palace: the one", "Palace: another"),
        task=one,
        retrieved=(("suite-1", "suite-7"),),
    )
    assert evidence_recall(half, one) == 0.5
    elsewhere = trajectory(SEARCH, information("Palace: its article"), task=one, retrieved=(("wiki-7",),))
    assert evidence_recall(elsewhere, one) == 1.0


@pytest.mark.parametrize(
    ("gold", "shown", "expected"),
    [
        ("India", "7th in India's Ease of Living Index", True),
        ("India", "7th in India\N{RIGHT SINGLE QUOTATION MARK}s index", True),
        ("1955", "Capitalism (1955\N{EN DASH}79)", True),
        ("1955", "Capitalism (1955-79)", True),
        ("New York", "a New\nYork-based band", True),
        ("the Nile", "the river Nile", True),
        ("India", "Indiana", False),
        ("1", "1,093 patents", False),
        ("5", "3.5 million", False),
        ("3", "3.5 million", False),
        ("!", "! is a sign", False),
    ],
)
def test_an_answer_appears_in_a_text(gold, shown, expected):
    assert appears_in(gold, shown) is expected


def test_evidence_without_gold_passages():
    bare = QUESTION.model_copy(update={"supporting_passages": (), "supporting_titles": ()})
    assert evidence_recall(trajectory(SEARCH, BOTH, task=bare), bare) == 1.0
    assert (
        evidence_recall(trajectory(SEARCH, information("Town1: It lies on the Flow."), task=bare), bare)
        == 0.0
    )
    # The model's own text is not evidence.
    assert evidence_recall(trajectory("I say Flow One", task=bare), bare) == 0.0
    closed = Question(id="q", question="So?", answers=("yes",))
    assert evidence_recall(trajectory(SEARCH, BOTH, task=closed), closed) is None
    assert evidence_recall(trajectory(SEARCH, information("x: Town1 only."), task=MASKED), MASKED) == 0.5


def test_masked_tasks():
    lost = trajectory(
        SEARCH,
        BOTH,
        answered("1. Rome\n2. Nile", "Town1 and Flow One"),
        answer="1. Rome\n2. Nile",
        task=MASKED,
    )
    assert row(lost, SETTINGS)["failure"] == "answer_lost"
    half = trajectory(SEARCH, BOTH, answered("1. Town1\n2. Nile"), answer="1. Town1\n2. Nile", task=MASKED)
    found = row(half, SETTINGS)
    assert (found["f1"], found["em"], found["cover_em"]) == (0.5, 0.5, 0.5)
    assert (found["mask_f1"], found["em_all"], found["cover_em_all"]) == ([1.0, 0.0], 0, 0)
    assert (found["right"], found["failure"]) == (0, "not_used")  # one of two masks is not right
    long = trajectory(
        SEARCH,
        BOTH,
        answered("x"),
        answer="1. Town1 or Rome or London or Paris or Bonn\n2. Flow One or Nile or Rhine or Danube or Don",
        task=MASKED,
    )
    assert (row(long, SETTINGS)["cover_em"], row(long, SETTINGS)["failure"]) == (1, "over_long")


def test_searches_that_failed_on_purpose_excuse_nothing():
    noisy = EvalSettings.model_validate({"questions": "q", "model": "m", "search": {"noise": {"fail": 0.2}}})
    assert row(CASES["failed"], SETTINGS)["failure"] == "failed"
    assert row(CASES["failed"], noisy)["failure"] == "not_retrieved"
