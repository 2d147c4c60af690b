"""The order in which a run with a limit reads documents: each is followed by those that it names."""

import numpy as np
import pytest
from kit.chain_texts import TEXTS, documents

from masksearch.ramp.chains.run.reading_order import linked_order
from masksearch.ramp.run.prepare import prepare
from masksearch.ramp.settings import MaskSettings
from masksearch.runtime.files import write_json_lines

TITLES = list(TEXTS)


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "docs.jsonl"
    write_json_lines(path, (document.to_json() for document in documents()))
    plan = prepare(MaskSettings(corpus=str(path), hops="2", verify=("none",)), {1: 1.0}, tmp_path / "work")
    yield plan
    plan.close()


def titles(order):
    return [TITLES[number] for number in order]


def test_named_documents_follow(plan):
    order = linked_order(plan, np.arange(len(TITLES)), 3)
    assert titles(order) == ["The Silver Lantern", "Maria Holt", "Stanford University"]


def test_all_are_read_once_if_there_is_room(plan):
    order = linked_order(plan, np.arange(len(TITLES))[::-1], 100)
    assert sorted(order) == list(range(len(TITLES)))


def test_the_first_of_the_random_order_comes_first(plan):
    start = TITLES.index("Velvet Records")
    order = linked_order(plan, np.array([start, *range(len(TITLES))]), 2)
    assert titles(order) == ["Velvet Records", "Ruth Cole"]
