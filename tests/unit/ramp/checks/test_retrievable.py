"""Evidence for a batch of tasks: the same as for each task alone, query by query."""

from hypothesis import given, settings
from hypothesis import strategies as st
from kit.ramp_texts import evidence_ranks

from masksearch.ramp.checks.retrievable import contains_span, find_evidence, verify_retrievable
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.query import alternative_queries, visible_query
from masksearch.search.index.bm25 import Bm25Searcher
from masksearch.search.wrappers.hiding import HiddenSource
from masksearch.types import MaskedTask, Passage

PASSAGES = [
    Passage(
        id="r", doc_id="r", title="Radium", text="Radium was discovered by Marie Curie in 1898 in Paris."
    ),
    Passage(
        id="p",
        doc_id="p",
        title="Polonium",
        text="Polonium was discovered by Marie Curie and Pierre Curie in 1898.",
    ),
    Passage(
        id="c",
        doc_id="c",
        title="Marie Curie",
        text="Marie Curie, born in Warsaw, discovered radium with her husband Pierre.",
    ),
    Passage(id="w", doc_id="w", title="Warsaw", text="Warsaw is the capital of Poland."),
]
SEARCHER = Bm25Searcher.in_memory(PASSAGES)


class Counting:
    """A searcher that records its queries."""

    fingerprint = "counting"

    def __init__(self):
        self.queries = []

    def search(self, queries, k):
        self.queries += queries
        return SEARCHER.search(queries, k)

    async def asearch(self, query, k):
        return SEARCHER.search([query], k)[0]


def task(text, *answers, title="Radium", doc_id="r", hidden=False):
    return MaskedTask(
        id="t",
        doc_id=doc_id,
        title=title,
        text=text,
        answers=answers,
        masks=len(answers),
        original="",
        source_hidden=hidden,
    )


BOTH = task("Radium was discovered by [mask] in [mask] in Paris.", "Marie Curie", "1898")
LOST = task("Radium was discovered by [mask] in [mask] in Paris.", "Marie Curie", "1911")
HIDDEN = task("Radium was discovered by Marie Curie in [mask] in Paris.", "1898", hidden=True)


def test_verdicts_carry_the_ranks():
    assert verify_retrievable([BOTH, LOST, HIDDEN], SEARCHER, 2) == [
        Verdict(True, {"ranks": [1, 1]}),
        Verdict(False, {"ranks": [1, None]}, "not retrievable"),
        Verdict(True, {"ranks": [2]}),
    ]
    assert verify_retrievable([], SEARCHER, 2) == []
    assert evidence_ranks(BOTH, SEARCHER, 2) == (1, 1)
    assert evidence_ranks(LOST, SEARCHER, 2) is None


def test_a_hidden_source_is_no_evidence():
    found = find_evidence([HIDDEN], SEARCHER, 4, lambda mask, hit: contains_span(hit.passage.text, "1898"))
    assert {mask: evidence.hit.passage.id for mask, evidence in found.items()} == {(0, 0): "p"}
    alone = task("Warsaw is the [mask] of Poland.", "capital", title="Warsaw", doc_id="w")
    assert evidence_ranks(alone, SEARCHER, 4) == (1,)
    assert evidence_ranks(alone.model_copy(update={"source_hidden": True}), SEARCHER, 4) is None


def test_each_query_is_asked_once_and_alternatives_only_where_needed():
    searcher = Counting()
    verify_retrievable([BOTH, BOTH], searcher, 2)
    assert sorted(searcher.queries) == sorted({visible_query(BOTH.text, mask, BOTH.title) for mask in (0, 1)})
    searcher = Counting()
    verify_retrievable([LOST], searcher, 2)
    firsts = [visible_query(LOST.text, mask, LOST.title) for mask in (0, 1)]
    assert searcher.queries == [*dict.fromkeys(firsts), *alternative_queries(LOST.text, 1, LOST.title)]


def evidence_rank(hits, answer):
    """Returns the rank (from 1) of the first hit that contains the answer, or None."""
    for rank, hit in enumerate(hits, 1):
        if contains_span(hit.passage.text, answer):
            return rank
    return None


def one_by_one(task, searcher, k):
    """Reference implementation: each mask alone, its queries in order."""
    seen = HiddenSource(searcher, [task.title], [task.doc_id]) if task.source_hidden else searcher
    ranks = []
    for mask, answer in enumerate(task.answers):
        queries = [
            visible_query(task.text, mask, task.title),
            *alternative_queries(task.text, mask, task.title),
        ]
        found = [rank for hits in seen.search(queries, k) if (rank := evidence_rank(hits, answer))]
        ranks.append(found[0] if found else None)
    return ranks


WORDS = st.sampled_from(
    "Radium Polonium Marie Curie Warsaw 1898 Pierre Poland discovered by capital [mask]".split()  # noqa: SIM905
)


@st.composite
def tasks(draw):
    text = " ".join([*draw(st.lists(WORDS, min_size=2, max_size=10)), "[mask]"])
    masks = text.count("[mask]")
    answers = draw(
        st.lists(
            st.sampled_from(["1898", "Marie Curie", "Warsaw", "Paris", "nowhere"]),
            min_size=masks,
            max_size=masks,
        )
    )
    source = draw(st.sampled_from(PASSAGES))
    return task(text, *answers, title=source.title, doc_id=source.doc_id, hidden=draw(st.booleans()))


@settings(deadline=None, max_examples=25)
@given(st.lists(tasks(), max_size=5), st.integers(1, 4))
def test_together_as_one_by_one(batch, k):
    ranks = [verdict.data["ranks"] for verdict in verify_retrievable(batch, SEARCHER, k)]
    assert ranks == [one_by_one(task, SEARCHER, k) for task in batch]


def test_spans_in_languages_without_spaces():
    assert contains_span("居里夫人于1898年发现了镭。", "镭", "zh")
    assert contains_span("STRASSE in Wien", "straße")
