"""Evidence in another article: retrieved, linked, to the point, and no copy."""

import pytest

from masksearch.ramp.checks.elsewhere import NO_EVIDENCE, TESTS, rare_limit, verify_elsewhere
from masksearch.search.index.bm25 import Bm25Searcher
from masksearch.types import MASK, MaskedTask, Passage, Span

SOURCE = Passage(
    id="s",
    doc_id="s",
    title="Sleepless in Seattle",
    text="Sleepless in Seattle is a 1993 American romantic comedy film directed by Nora Ephron, "
    "and it was shown at the Cannes festival in the spring.",
)
FILLER = [
    Passage(
        id=f"f{number}",
        doc_id=f"f{number}",
        title=f"Film {number}",
        text=f"An American comedy film, number {number}.",
    )
    for number in range(30)
]


def span(text, category):
    start = SOURCE.text.index(text)
    return Span(start=start, end=start + len(text), category=category)


SPANS = [span("1993", "DATE"), span("American", "NORP"), span("Nora Ephron", "PERSON"), span("Cannes", "GPE")]


def judge(*others, masked="1993", category="DATE", spans=SPANS, k=5):
    passages = [
        SOURCE,
        *FILLER,
        *(
            Passage(id=f"o{number}", doc_id=f"o{number}", title=title, text=text)
            for number, (title, text) in enumerate(others)
        ),
    ]
    text = SOURCE.text.replace(masked, MASK)
    task = MaskedTask(
        id="s:1",
        doc_id="s",
        title=SOURCE.title,
        text=text,
        answers=(masked,),
        masks=1,
        original=SOURCE.text,
        categories=(category,),
    )
    return verify_elsewhere([task], [SOURCE], [spans], Bm25Searcher.in_memory(passages), k)[0]


CASES = {
    "": ("Nora Ephron", "Nora Ephron directed the romantic comedy film Sleepless in Seattle."),
    TESTS[0]: ("Some film", "An American romantic comedy film of 1993 was directed by somebody."),
    TESTS[1]: (
        "Somebody",
        "At home since 1993, this man has read all that there is to read on birds, "
        "and long before that he once met Nora Ephron.",
    ),
    TESTS[2]: (
        "Copy",
        "Sleepless in Seattle is a 1993 American romantic comedy film directed by Nora Ephron, "
        "as everybody knows.",
    ),
    TESTS[3]: ("Nora Ephron", "She was nominated for her romantic comedy film Sleepless in Seattle (1993)."),
}


@pytest.mark.parametrize("reached", CASES)
def test_how_far_a_result_comes(reached):
    verdict = judge(CASES[reached])
    assert verdict.data["reached"] == [reached]
    assert verdict.passed is (reached == TESTS[3])
    assert verdict.reason == ("" if verdict.passed else NO_EVIDENCE)
    tests = ["tried", *TESTS[: list(CASES).index(reached)]]
    assert list(verdict.survived) == [("DATE", test) for test in tests]


def test_the_best_of_all_results_counts():
    verdict = judge(*CASES.values())
    assert verdict.passed
    assert verdict.data["evidence"] == ["o4"]
    assert verdict.data["links"] == ["Sleepless in Seattle"]
    assert verdict.data["ranks"][0] >= 1


def test_what_links():
    by_entity = (
        "Cannes winners",
        "The American comedy film directed by Nora Ephron was released in 1993 in the cinemas of France.",
    )
    assert judge(by_entity).data["links"] == ["Nora Ephron"]
    # Neither a year nor a word of thirty passages ("American") links.
    assert judge(by_entity, spans=SPANS[:2]).data["reached"] == [TESTS[0]]
    own_title = ("Nora Ephron", "Her American romantic comedy film of 1993 was a success.")
    assert judge(own_title, spans=[]).data["links"] == ["Nora Ephron"]


def test_a_masked_entity_links_nothing():
    other = ("Festival", "Romantic comedy film directed by Nora Ephron.")
    assert judge(other, masked="Nora Ephron", category="PERSON").data["reached"] == [TESTS[0]]


def test_a_copied_stretch_around_the_answer_is_a_copy():
    copied = (
        "He said that Sleepless in Seattle is a 1993 American romantic comedy film directed by Mr. X; "
        + " ".join(f"word{number}" for number in range(60))
    )
    assert judge(("Critic", copied)).data["reached"] == [TESTS[2]]


def test_without_other_articles_there_is_nothing():
    assert judge().data == {"ranks": [None], "evidence": [None], "links": [None], "reached": [""]}
    assert verify_elsewhere([], [], [], Bm25Searcher.in_memory(FILLER), 5) == []


def test_rare_is_a_matter_of_the_index():
    assert [rare_limit(size) for size in (10, 50_000, 100_000, 10**8)] == [20, 20, 40, 1000]
