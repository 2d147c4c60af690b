"""Evidence of chained tasks: all passages of the chain, not the words of the answer."""

from masksearch.evaluation.evidence import evidence_recall
from masksearch.search import Bm25Searcher
from masksearch.search.wrappers.hiding import WithoutGold, search_for_task
from masksearch.types import ChainStep, MaskedTask, Passage, Trajectory, Turn

STEPS = tuple(
    ChainStep(subject=title, need="the maker", title=title, passage_id=name, value="x")
    for title, name in (("Heat (1995 film)", "d1"), ("Michael Mann", "d2#1"))
)
TASK = MaskedTask(
    id="t",
    doc_id="d2",
    title="Michael Mann",
    text="The nationality of the director of the film Heat is [mask].",
    answers=("American",),
    masks=1,
    original="The nationality of the director of the film Heat is American.",
    evidence=("d1", "d2#1"),
    steps=STEPS,
    shape="chain",
)


def recall(*retrieved):
    trajectory = Trajectory(
        id="t",
        task={},
        turns=(Turn(role="tool", text="an American baker"),),
        answer="American",
        status="answered",
        retrieved=retrieved,
    )
    return evidence_recall(trajectory, TASK)


def test_the_answer_in_any_text_is_no_evidence_of_a_chain():
    assert recall(("d9",)) == 0.0


def test_each_passage_of_the_chain_counts():
    assert recall(("d1", "d9")) == 0.5
    assert recall(("d1",), ("d2#1",)) == 1.0


def test_without_gold_no_article_of_the_chain_is_found():
    passages = [
        Passage(id=step.passage_id, doc_id=step.passage_id.split("#")[0], title=step.title, text="film Heat")
        for step in STEPS
    ]
    searcher = search_for_task(TASK, WithoutGold(Bm25Searcher.in_memory(passages)))
    assert searcher.search(["film Heat"], 5) == [[]]
