"""The sentence with which the planned teacher compares two values: the answer's value stands first."""

import pytest

from masksearch.synthesis.oracle.planned.sayings import compared


@pytest.mark.parametrize(
    ("verdict", "values", "first", "said"),
    [
        ("before", ("1963", "1972"), True, "1963 is before 1972."),
        ("before", ("1972", "1963"), False, "1963 is before 1972."),
        ("after", ("1963", "1972"), False, "1972 is after 1963."),
        ("more", ("3", "12"), False, "12 is more than 3."),
        ("fewer", ("3", "12"), True, "3 is less than 12."),
    ],
)
def test_the_relation_is_the_one_that_is_asked_for(verdict, values, first, said):
    assert compared(verdict, *values, "Heat", first) == said


@pytest.mark.parametrize(("answer", "said"), [("yes", "the same."), ("no", "not the same.")])
def test_yes_and_no_follow_from_the_values(answer, said):
    assert compared("same", "american", "Irish", answer, True) == f"American and Irish are {said}"
