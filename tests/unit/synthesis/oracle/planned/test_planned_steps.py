"""The planned teacher on chained tasks: plan, one search a step, short quotes, spoken conclusions."""

import re

import pytest
from kit.chain_texts import drafts, passages, searcher

from masksearch.agent.prompts import task_prompt
from masksearch.agent.protocol import Search, parse_turn
from masksearch.agent.settings import AgentSettings
from masksearch.errors import UsageError
from masksearch.ramp.chains.run.tasks import make_task
from masksearch.ramp.settings import MaskSettings
from masksearch.scoring.grounding import ground
from masksearch.search import Bm25Searcher
from masksearch.synthesis.oracle.run import synthesize
from masksearch.synthesis.oracle.wording import leaks
from masksearch.synthesis.settings import SynthesizeSettings
from masksearch.synthesis.stage import run_synthesize
from masksearch.types import task_from_json

pytest.importorskip("spacy")
SHAPES = ("hop", "chain", "comparison", "bridge-comparison", "inference", "intersection")
AGENT = AgentSettings(top_k=2, max_searches=8)


def tasks(shape, form="question"):
    wanted = MaskSettings(hops="1-4", form=form)
    return [make_task(draft, wanted, "", {}) for draft in drafts(shape) if draft.statement or form != "cloze"]


def taught(rows, dropped=None, search=None, **more):
    from collections import Counter

    counts = Counter() if dropped is None else dropped
    given = SynthesizeSettings(tasks="t", index="i", agent=AGENT, **more)
    return list(synthesize(rows, given, counts, search or searcher()))


def thoughts(trajectory):
    return [re.search(r"<think>(.*?)</think>", turn.text, re.DOTALL)[1] for turn in model_turns(trajectory)]


def model_turns(trajectory):
    return [turn for turn in trajectory.turns if turn.role == "model"]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_taught_with_one_search_a_step(shape):
    rows = tasks(shape)
    found = taught(rows)
    assert len(found) >= 0.8 * len(rows) > 0
    for trajectory in found:
        task = task_from_json(trajectory.task)
        assert trajectory.model == "oracle-planned"
        assert trajectory.scores["f1"] == 1.0
        assert trajectory.usage.searches >= len(task.steps)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_query_knows_more_than_what_is_visible(shape):
    for trajectory in taught(tasks(shape)):
        task = task_from_json(trajectory.task)
        visible = task_prompt(task, "spans")
        secrets = [*task.answers, *task.bridges, *(step.value for step in task.steps)]
        for turn in trajectory.turns:
            if turn.role == "tool":
                visible += turn.text
                continue
            action = parse_turn(turn.text)
            if isinstance(action, Search):
                assert not leaks(action.query, secrets, visible)


@pytest.mark.parametrize("shape", SHAPES)
def test_answers_are_grounded_and_quotes_are_true_and_short(shape):
    for trajectory in taught(tasks(shape)):
        grounding = ground(trajectory)
        assert grounding.fault == ""
        assert grounding.false_quotes == 0
        for quote in re.findall(r'\[\d\]: "([^"]*)"', " ".join(thoughts(trajectory))):
            assert len(quote.split()) <= 12


def one(shape, answer, text=""):
    rows = [task for task in tasks(shape) if task.answers[0] == answer and text in task.question]
    return taught(rows[:1])[0]


def test_a_chain_names_the_bridge_before_it_goes_on():
    first, second, last = thoughts(one("chain", "12 March 1931"))
    assert first == "I need the director of the drama film The Silver Lantern first, then the date of birth."
    assert second.startswith(
        'The director of the drama film The Silver Lantern? [1]: "film directed by Maria Holt. It was". '
        "So the director of the drama film The Silver Lantern is Maria Holt."
    )
    assert second.endswith("Next I need the date of birth of Maria Holt.")
    assert last.startswith("The date of birth of Maria Holt? [")
    assert last.endswith(
        "So the date of birth of Maria Holt is 12 March 1931. "
        "The question asks for a date of birth: 12 March 1931."
    )


def test_a_comparison_is_said_out_loud():
    trajectory = one("comparison", "no", "nationality")
    assert re.search(r"\w+ and \w+ are not the same\. So the answer is no\.$", thoughts(trajectory)[-1])


def test_dates_are_compared_out_loud():
    trajectory = one("bridge-comparison", "The Silver Lantern", "born")
    said = thoughts(trajectory)[-1]
    assert re.search(
        r"The \w[\w ]*: [\w ,]+\. The \w[\w ]*: [\w ,]+\. [\w ,]+ is (?:before|after) [\w ,]+\.", said
    ), said
    assert said.endswith("So the answer is The Silver Lantern.")
    assert trajectory.usage.searches == 4


def test_an_inference_is_declared():
    said = thoughts(one("inference", "Edwin Marsh"))
    assert said[0].startswith("A maternal grandparent is the parent of a mother. I need the mother of ")
    assert said[-1].endswith("The question asks for a maternal grandparent: Edwin Marsh.")


def test_an_intersection_says_what_does_not_fit():
    said = thoughts(one("intersection", "Peter Kroll"))
    assert "The question says 2 February 1949, so not Anna Weiss. Next Peter Kroll." in said[2]
    assert said[-1].endswith("That fits. The question asks for a person: Peter Kroll.")


def test_a_search_that_did_not_help_is_named_and_followed_by_another():
    crowd = [
        type(passages()[0])(id=f"c{n}", doc_id=f"c{n}", title="Born", text="born born born " * 3)
        for n in range(9)
    ]
    rows = [task for task in tasks("hop") if task.answers[0] == "12 March 1931"]
    (trajectory,) = taught(rows, search=Bm25Searcher.in_memory([*passages(), *crowd]))
    said = thoughts(trajectory)
    if len(said) > 2:
        assert "No result gives the date of birth of Maria Holt. I search again in other words." in said


def test_hidden_evidence_ends_in_an_honest_answer():
    rows = tasks("chain")
    found = taught(rows, not_found=0.5)
    honest = [one for one in found if one.answer == "not found"]
    assert 0.2 < len(honest) / len(rows) < 0.8
    for trajectory in honest:
        assert trajectory.scores["not_found"] == 1.0
        assert trajectory.scores["f1"] == trajectory.scores["em"] == 0.0
        assert thoughts(trajectory)[-1].endswith("The answer is not in the results.")
    assert all("not_found" not in one.scores for one in found if one not in honest)


def test_hidden_evidence_needs_the_planned_teacher(tmp_path):
    given = SynthesizeSettings(tasks="t", index="i", oracle="first", not_found=0.1)
    with pytest.raises(UsageError, match="not_found has no effect without the teacher oracle"):
        run_synthesize(given, tmp_path / "out.jsonl", tmp_path)


def test_evidence_that_is_missing_for_no_reason_drops_the_task():
    from collections import Counter

    without = Bm25Searcher.in_memory([one for one in passages() if one.title != "Maria Holt"])
    dropped = Counter()
    rows = [task for task in tasks("chain") if task.answers[0] == "12 March 1931"]
    assert taught(rows, dropped, without) == []
    assert dropped == {"a step was not found": len(rows)}


def test_a_masked_statement_is_taught_like_its_question():
    rows = tasks("chain", "cloze")
    found = taught(rows)
    assert len(found) >= 0.8 * len(rows)
    assert all(trajectory.usage.searches >= 2 for trajectory in found)
