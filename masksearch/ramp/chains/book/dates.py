"""Dates as tuples that sort: (year,), (year, month) or (year, month, day)."""

from __future__ import annotations

import re

from masksearch.ramp.spans.dates import EN_MONTHS

Sortable = tuple[int, ...]
_MONTH = "|".join(EN_MONTHS)
_FORMS = (
    re.compile(rf"(?P<day>\d{{1,2}}) (?P<month>{_MONTH}),? (?P<year>\d{{3,4}})"),
    re.compile(rf"(?P<month>{_MONTH}) (?P<day>\d{{1,2}}),? (?P<year>\d{{3,4}})"),
    re.compile(rf"(?P<month>{_MONTH}),? (?P<year>\d{{4}})"),
    re.compile(r"(?P<year>\d{4})"),
)


def sortable(text: str) -> Sortable | None:
    """Returns a date as (year[, month[, day]]); None for any other text."""
    for form in _FORMS:
        if match := form.fullmatch(" ".join(text.split())):
            parts = match.groupdict()
            numbers = [
                int(parts["year"]),
                EN_MONTHS.index(parts["month"]) + 1 if parts.get("month") else None,
                int(parts["day"]) if parts.get("day") else None,
            ]
            return tuple(number for number in numbers if number is not None)
    return None


def order(first: Sortable, second: Sortable) -> int:
    """Returns -1, 0 or 1 for a date before, in the same period as, or after another.

    Dates are compared up to the coarser of the two: a year and a day of that year are in the same period.
    """
    shared = min(len(first), len(second))
    a, b = first[:shared], second[:shared]
    return (a > b) - (a < b)
