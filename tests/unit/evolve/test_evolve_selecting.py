"""Selection of the correct rollouts: query patterns, near-copies and caps."""

import pytest
from kit.evolve_helpers import evolve_settings, masked, question, trajectory

from masksearch.evolve.acceptance import Outcome
from masksearch.evolve.patterns import document, pattern, queries, spoken
from masksearch.evolve.selection import select, without_copies
from masksearch.evolve.settings import EvolveSettings
from masksearch.types import MASK, MaskedTask, Question

LONG = "the passage tells of {} and of much else besides that was said at length by the people of the town"


def outcomes(*trajectories):
    return [Outcome(one, True) for one in trajectories]


def reasons(found):
    return [outcome.reason for outcome in found]


def test_spoken_is_thoughts_and_queries_alone():
    one = trajectory(question(1), "first thought", ("a query",), answer="sea")
    assert spoken(one) == "first thought a query it is so"
    cut = one.model_copy(
        update={
            "turns": (
                *one.turns[:2],
                one.turns[2].model_copy(update={"text": "<think>cut</think> <answer>never closed"}),
            )
        }
    )
    assert spoken(cut) == "first thought a query cut"
    assert queries(cut) == ["a query"]


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("Iris species number 1", "A a a 0"),
        ("iris Species", "a A"),
        ("Iris of Curie 1898", "A of A* 0*"),
        ("who painted the Iris", "who painted a A"),
    ],
)
def test_a_pattern_says_the_form_of_a_query_not_its_subject(query, form):
    assert pattern(trajectory(masked(1), queries=(query,))) == form


def test_patterns_of_several_queries_and_of_chinese():
    assert pattern(trajectory(masked(1), queries=("Iris", "Iris species"))) == "A | A a"
    text = f"居里夫人发现了{MASK}。"
    task = MaskedTask(
        id="z",
        doc_id="z",
        title="居里",
        text=text,
        answers=("镭",),
        masks=1,
        original=text.replace(MASK, "镭"),
        language="zh",
    )
    assert pattern(trajectory(task, queries=("居里 发现",))) == "a a a a"


def test_what_a_task_is_about():
    assert document(trajectory(masked(1, document="d7"))) == "d7"
    assert (
        document(trajectory(Question(id="q", question="?", answers=("x",), supporting_titles=("B", "A"))))
        == "A + B"
    )
    assert document(trajectory(question(3))) == "question q3"


def test_near_copies_are_kept_once_also_of_the_data_there_are(tmp_path):
    data = [trajectory(masked(1), LONG.format("iris"))]
    copy, other = (
        trajectory(masked(2), LONG.format("iris")),
        trajectory(masked(3), "something else entirely is thought here and then it is looked for"),
    )
    assert without_copies([*data, copy, other, other], 0.8, tmp_path) == [True, False, True, False]
    settings = evolve_settings(tmp_path, near_copies=0.8)
    assert reasons(select(outcomes(copy, other, other), data, settings, tmp_path)) == [
        "near-copy",
        "",
        "near-copy",
    ]


def test_answers_that_were_not_shown_and_false_quotes_are_not_kept(tmp_path):
    shown = "Iris: The iris has 310 species."
    rollouts = [
        trajectory(masked(1), "red sea", ("one two",), information=shown),
        trajectory(masked(2), "old map", ("three four",)),
        trajectory(masked(3), "1 in [1]: has [310] species", ("five six",), information=shown),
    ]
    last = rollouts[2].turns[-1]
    quotes = {"right": "1 in [1]: has [310] species.", "wrong": "1 in [1]: with [310] species."}
    turns = {
        name: (
            *rollouts[2].turns[:-1],
            last.model_copy(update={"text": last.text.replace("it is so", quote)}),
        )
        for name, quote in quotes.items()
    }
    start = rollouts[2].turns[0].model_copy(update={"text": "<think>oak fig</think>\n<search>five</search>"})
    quoting = {
        name: rollouts[2].model_copy(update={"turns": (start, *found[1:])}) for name, found in turns.items()
    }
    found = outcomes(rollouts[0], rollouts[1], quoting["right"])
    settings = evolve_settings(tmp_path, grounded=True, pattern_share=1.0, near_copies=1.0)
    assert reasons(select(found, [], settings, tmp_path)) == ["", "answer not grounded", ""]
    found = outcomes(quoting["wrong"], rollouts[2])
    wrong = select(found, [], settings, tmp_path)
    assert reasons(wrong) == ["quote not in its result"] * 2
    assert all(outcome.correct for outcome in wrong)
    off = evolve_settings(tmp_path, grounded=False, pattern_share=1.0, near_copies=1.0)
    assert reasons(select(found, [], off, tmp_path)) == ["", ""]


def test_only_grounded_trajectories_are_kept_unless_told_otherwise():
    assert EvolveSettings.model_fields["grounded"].default is True


def varied(number, task, **given):
    return trajectory(
        task,
        f"thought {number} " + " ".join(f"word{number}{place}" for place in range(8)),
        name=f"t{number}",
        **given,
    )


def test_caps_hit_the_surplus_of_a_task_first(tmp_path):
    same, other = [varied(number, masked(1)) for number in range(3)], varied(9, masked(2))
    settings = evolve_settings(tmp_path, keep_per_task=3, per_document=2)
    found = select(outcomes(*same, other), [], settings, tmp_path)
    assert reasons(found) == ["", "cap of its document", "cap of its document", ""]
    settings = evolve_settings(tmp_path, keep_per_task=2, per_document=0)
    assert reasons(select(outcomes(*same, other), [], settings, tmp_path)) == ["", "", "cap of its task", ""]


def test_the_cap_of_a_document_counts_the_data_there_are(tmp_path):
    data = [varied(20 + number, masked(20 + number)) for number in range(2)]
    settings = evolve_settings(tmp_path, per_document=2)
    assert reasons(
        select(outcomes(varied(1, masked(1)), varied(2, masked(2, document="e"))), data, settings, tmp_path)
    ) == ["cap of its document", ""]


def test_the_cap_of_a_query_pattern_is_a_share_of_the_candidates(tmp_path):
    plain = [varied(number, masked(number, document=f"d{number}")) for number in range(6)]
    rare = varied(7, masked(7, document="d7"), queries=("who tells of Iris",))
    settings = evolve_settings(tmp_path, pattern_share=0.4)
    assert reasons(select(outcomes(*plain, rare), [], settings, tmp_path)) == [
        "",
        "",
        "",
        *["cap of its query pattern"] * 3,
        "",
    ]


def test_a_guess_without_a_search_is_correct_but_not_kept(tmp_path):
    guess, wrong = varied(1, masked(1), queries=()), Outcome(varied(2, masked(2)), False, "answer wrong")
    found = select([*outcomes(guess), wrong], [], evolve_settings(tmp_path), tmp_path)
    assert [(outcome.correct, outcome.reason) for outcome in found] == [
        (True, "too few searches"),
        (False, "answer wrong"),
    ]
    assert reasons(select(outcomes(guess), [], evolve_settings(tmp_path, min_searches=0), tmp_path)) == [""]
    assert select([], [], evolve_settings(tmp_path), tmp_path) == []
