"""The order in which drafts are checked: within a shape, the relations take turns.

A corpus states many dates of birth and few owners. With the root of its count as the weight of a relation,
no relation dominates, and the rare ones, which hold most errors of the parse, do not either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from masksearch.ramp.chains.records import Draft
from masksearch.ramp.chains.shapes.base import seeded

Group = tuple[str, int]
"""(shape, number of hops)."""


def grouped(drafts: Iterable[Draft], seed: int) -> dict[Group, list[Draft]]:
    """Returns the drafts by shape and number of hops, each group in the order of its checks."""
    groups: dict[Group, dict[str, list[Draft]]] = defaultdict(lambda: defaultdict(list))
    asked: set[str] = set()
    for draft in drafts:
        if draft.question not in asked:
            asked.add(draft.question)
            groups[(draft.shape, draft.hops)][_relation(draft)].append(draft)
    return {group: _in_turns(group, groups[group], seed) for group in sorted(groups)}


def _relation(draft: Draft) -> str:
    """What a draft is balanced by: its needs; of yes or no, the answer too."""
    if not draft.steps[0].subject:
        return f"identify {draft.steps[0].kind}"
    return f"{draft.key} {draft.answer if draft.category == 'YESNO' else ''}"


def _in_turns(group: Group, relations: dict[str, list[Draft]], seed: int) -> list[Draft]:
    rng = seeded(seed, "balance", *map(str, group))
    placed: list[tuple[float, str, int, Draft]] = []
    for relation in sorted(relations):
        rows = relations[relation]
        rng.shuffle(rows)
        placed += [
            ((place + rng.random()) / len(rows) ** 0.5, relation, place, draft)
            for place, draft in enumerate(rows)
        ]
    placed.sort(key=lambda row: row[:3])
    return [draft for *_, draft in placed]


def quotas(groups: dict[Group, int], weights: dict[str, float], limit: int) -> dict[Group, int]:
    """Returns the number of tasks wanted of each group, out of what each group can still give.

    `groups` holds the largest number that each group can give. Shapes share the limit by their weights (1 for
    a shape without one), the hops of a shape equally; what a group cannot give goes to the others.
    """
    wanted = dict.fromkeys(groups, 0)
    left = limit
    open_groups = {group for group, most in groups.items() if most}
    while left > 0 and open_groups:
        per_shape = {shape: sum(1 for other in open_groups if other[0] == shape) for shape, _ in open_groups}
        weight = {group: weights.get(group[0], 1.0) / per_shape[group[0]] for group in open_groups}
        total = sum(weight.values())
        if total <= 0:
            break
        given = 0
        for group in sorted(open_groups):
            room = groups[group] - wanted[group]
            share = min(room, left - given, max(1, round(left * weight[group] / total)))
            wanted[group] += share
            given += share
        left -= given
        open_groups = {group for group in open_groups if wanted[group] < groups[group]}
        if not given:
            break
    return wanted
