"""Making tasks from documents: independent of the batch, with exact counts."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import ClassVar

from kit.ramp_texts import RICH, passage

from masksearch.corpus import side_of
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.generate import AT_ONCE, Source, Tools, work
from masksearch.ramp.masking.strategies import make_strategy
from masksearch.ramp.run.tally import MaskStats
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Failure, make_extractors
from masksearch.types import Passage

EVEN = {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}


def tools(shares=EVEN, checks=(), excluded=lambda passage: "", **values):
    settings = MaskSettings(**{"extractors": ("dates",), **values})
    extractors, strategy = make_extractors(settings), make_strategy(settings)
    return Tools(settings, shares, extractors, strategy, checks, excluded, retriever="bm25-test")


def source(*passages, copies=()):
    return Source(passages[0].doc_id, passages, frozenset(copies))


SOURCES = [source(each) for each in RICH]


def test_every_task_is_whole_and_counted():
    done = work(SOURCES, tools())
    assert len(done.tasks) == len(RICH) == done.stats.kept == done.stats.documents == done.stats.passages
    assert done.stats.masks == Counter(str(task.masks) for task in done.tasks)
    assert set(done.stats.masks) == {"1", "2", "3", "4"}
    for task, each in zip(done.tasks, RICH, strict=True):
        assert task.passage_id == each.id
        assert task.text.count("[mask]") == task.masks == len(task.answers)
        pieces = task.text.split("[mask]")
        assert (
            "".join(piece + answer for piece, answer in zip(pieces, [*task.answers, ""], strict=True))
            == task.original
        )
        assert (task.strategy, task.retriever, task.source_hidden) == ("uniform", "bm25-test", False)
        assert task.verdicts == {"unique": {"passed": True}, "not-inferable": {"passed": True}}


def test_a_document_gives_the_same_whatever_is_worked_with_it():
    together = work(SOURCES, tools())
    one_by_one = [work([each], tools()) for each in SOURCES]
    assert together.tasks == [task for done in one_by_one for task in done.tasks]
    shuffled = Random(0).sample(SOURCES, len(SOURCES))
    assert {task.id: task for task in work(shuffled, tools()).tasks} == {
        task.id: task for task in together.tasks
    }
    added = MaskStats()
    for done in one_by_one:
        added.merge(done.stats)
    assert added == together.stats == MaskStats.from_json(together.stats.to_json())
    assert work(SOURCES, tools(seed=2)).tasks != together.tasks


def test_drops_are_counted_with_their_reason():
    masked = Passage(
        id="m", doc_id="m", title="M", text="A [mask] stood here in 1912 for all of the world to see."
    )
    short = Passage(id="s", doc_id="s", title="S", text="In 1912.")
    done = work(
        [source(each) for each in (passage(1, 0), passage(2, 1), passage(3, 3), masked, short)],
        tools({2: 1.0}),
    )
    assert [task.passage_id for task in done.tasks] == ["p3"]
    assert done.stats.dropped == {
        "no span that may be masked": 1,
        "fewer spans than masks": 1,
        "contains [mask]": 1,
        "too short": 1,
    }
    assert done.stats.summary()["share_dropped"] == 0.8


def test_tasks_per_document_and_a_second_try():
    several = [
        source(*(passage(number, 4, f"d{document}") for number in range(document * 10, document * 10 + 10)))
        for document in range(5)
    ]
    assert Counter(task.doc_id for task in work(several, tools(tasks_per_document=1)).tasks) == {
        f"d{document}": 1 for document in range(5)
    }
    # Without the setting every passage gives a task.
    assert len(work(several, tools()).tasks) == 50
    assert Counter(task.doc_id for task in work(several, tools(tasks_per_document=3)).tasks) == {
        f"d{document}": 3 for document in range(5)
    }
    assert len(work(several, tools(tasks_per_document=99)).tasks) == 50
    # If a passage allows no mask, the next passage is tried.
    poor = source(*(passage(number, 4 if number == 7 else 0, "d0") for number in range(10)))
    done = work([poor], tools(tasks_per_document=1))
    assert [task.passage_id for task in done.tasks] == ["p7"]
    assert done.stats.passages == 1 + done.stats.dropped["no span that may be masked"]


def test_a_turn_tries_its_part_of_the_passages_only():
    whole = source(*(passage(number, 4, "d") for number in range(10)))
    turns = [work([replace(whole, turn=part)], tools()) for part in ((0, 1), (1, 3), (3, None))]
    assert [len(done.tasks) for done in turns] == [1, 2, 7]
    assert [done.stats.documents for done in turns] == [1, 0, 0]
    assert [task for done in turns for task in done.tasks] == work([whole], tools()).tasks


def test_a_long_document_is_tried_in_parts():
    whole = source(*(passage(number, 4, "d") for number in range(2 * AT_ONCE + 3)))
    sizes = []

    class Watching:
        dropped: ClassVar[Counter] = Counter()

        def __call__(self, passages):
            given = list(passages)
            sizes.append(len(given))
            yield from ([] for _ in given)

    base = tools()
    watched = Tools(base.settings, base.shares, [*base.extractors, Watching()], base.strategy)
    assert len(work([whole], watched).tasks) == 2 * AT_ONCE + 3
    assert sizes == [AT_ONCE, AT_ONCE, 3]


def test_near_copies_and_excluded_texts_are_not_used():
    twins = source(passage(1, 4, "d"), passage(2, 4, "d"), copies={1})
    assert [task.passage_id for task in work([twins], tools(tasks_per_document=2)).tasks] == ["p1"]
    done = work(SOURCES[:5], tools(excluded=lambda each: "shares its title" if each.title == "Town3" else ""))
    assert [task.passage_id for task in done.tasks] == ["p0", "p1", "p2", "p4"]
    assert done.stats.dropped == {"shares its title": 1}


def test_sides_of_the_split():
    both = {
        side: {task.passage_id for task in work(SOURCES, tools(split=side)).tasks}
        for side in ("train", "heldout")
    }
    assert both["train"] | both["heldout"] == {each.id for each in RICH}
    assert not both["train"] & both["heldout"]
    assert both["heldout"] == {each.id for each in RICH if side_of(each.title, 0.2) == "heldout"}


def test_checks_drop_leave_their_verdict_or_set_aside():
    def strict(candidates):
        for candidate in candidates:
            if candidate.task.doc_id == "d0":
                yield Verdict(False, reason="not retrievable", survived=(("DATE", "retrieved elsewhere"),))
            elif candidate.task.doc_id == "d1":
                yield Failure("the endpoint is down")
            else:
                yield Verdict(True, {"ranks": [1] * candidate.task.masks})

    done = work(SOURCES[:4], tools(checks=[("retrievable", lambda candidates: list(strict(candidates)))]))
    assert [task.doc_id for task in done.tasks] == ["d2", "d3"]
    assert done.rejects == {"d1": "the endpoint is down"}
    assert done.stats.set_aside == 1
    assert done.stats.dropped == {"not retrievable": 1}
    assert done.stats.survival == {"DATE: retrieved elsewhere": 1}
    assert done.stats.summary()["retrievable"] == 0.6667
    for task in done.tasks:
        assert task.ranks == (1,) * task.masks
        assert task.verdicts["retrievable"] == {"passed": True, "ranks": [1] * task.masks}


def test_a_document_whose_spans_cannot_be_had_is_set_aside_whole():
    class Broken:
        dropped: ClassVar[Counter] = Counter()

        def __call__(self, passages):
            for each in passages:
                yield Failure("no answer") if each.id == "p1" else []

    base = tools()
    broken = Tools(base.settings, base.shares, [*base.extractors, Broken()], base.strategy)
    several = [source(passage(0, 4, "d"), passage(1, 4, "d")), source(passage(2, 4))]
    done = work(
        several,
        Tools(
            broken.settings.model_copy(update={"tasks_per_document": 2}),
            base.shares,
            broken.extractors,
            base.strategy,
        ),
    )
    assert done.rejects == {"d": "no answer"}
    assert [task.passage_id for task in done.tasks] == ["p2"]
    assert done.stats.kept == 1
