"""The order of drafts and the shares of shapes."""

from masksearch.ramp.chains.records import Draft
from masksearch.ramp.chains.run.balance import grouped, quotas
from masksearch.types import ChainStep


def draft(number, need, shape="hop", answer="x"):
    step = ChainStep(subject=f"S{number}", need=need, title=f"T{number}", passage_id="p", value="v")
    return Draft(shape, 1, f"{need} {number} {answer}?", answer, (step,))


def test_rare_relations_take_turns_with_frequent_ones():
    rows = [draft(number, "the date of birth") for number in range(900)]
    rows += [draft(number, "the owner") for number in range(100)]
    (first,) = grouped(rows, 1).values()
    owners = sum(one.steps[0].need == "the owner" for one in first[:100])
    assert 15 <= owners <= 35  # root of 100 against root of 900: a quarter; by count it would be 10


def test_a_question_is_kept_once():
    rows = [draft(1, "the owner"), draft(1, "the owner")]
    assert [len(found) for found in grouped(rows, 1).values()] == [1]


def test_the_order_does_not_depend_on_the_order_of_the_facts():
    rows = [draft(number, "the owner") for number in range(20)]
    assert len(grouped(rows, 1)[("hop", 1)]) == len(grouped(rows[::-1], 1)[("hop", 1)]) == 20


def test_shapes_share_a_limit_equally():
    groups = {("hop", 1): 100, ("chain", 2): 100, ("chain", 3): 100, ("comparison", 2): 100}
    assert quotas(groups, {}, 60) == {
        ("hop", 1): 20, ("chain", 2): 10, ("chain", 3): 10, ("comparison", 2): 20,
    }  # fmt: skip


def test_what_a_shape_lacks_goes_to_the_others():
    wanted = quotas({("hop", 1): 100, ("chain", 2): 4}, {}, 60)
    assert wanted == {("hop", 1): 56, ("chain", 2): 4}


def test_weights():
    wanted = quotas({("hop", 1): 100, ("chain", 2): 100}, {"chain": 3.0}, 40)
    assert wanted == {("hop", 1): 10, ("chain", 2): 30}


def test_a_weight_of_zero_leaves_a_shape_out():
    assert quotas({("hop", 1): 100, ("chain", 2): 100}, {"hop": 0.0}, 40)[("chain", 2)] >= 39


def test_no_more_than_there_is():
    assert quotas({("hop", 1): 3, ("chain", 2): 4}, {}, 60) == {("hop", 1): 3, ("chain", 2): 4}
