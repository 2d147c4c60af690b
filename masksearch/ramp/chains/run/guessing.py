"""The check `not-guessable` for drafts: a model without search must not fill the masked statement.

A comparison has no statement, and half of its answers are guessed anyway; it passes without an attempt.
"""

from __future__ import annotations

from collections.abc import Sequence

from masksearch.ramp.chains.records import Draft
from masksearch.ramp.checks.guessable import make_guesser
from masksearch.ramp.checks.verdict import Verdict
from masksearch.ramp.settings import MaskSettings
from masksearch.ramp.spans.extract import Failure
from masksearch.types import MASK, MaskedTask


def not_guessable(drafts: Sequence[Draft], settings: MaskSettings) -> list[Verdict | Failure]:
    """Returns one result per draft (see `Guesser.check`)."""
    stated = [(number, draft) for number, draft in enumerate(drafts) if draft.statement]
    results: list[Verdict | Failure] = [Verdict(True, {"attempts": 0}) for _ in drafts]
    judged = make_guesser(settings).check([_masked(draft) for _, draft in stated])
    for (number, _), verdict in zip(stated, judged, strict=True):
        results[number] = verdict
    return results


def _masked(draft: Draft) -> MaskedTask:
    return MaskedTask(
        id=draft.question,
        doc_id="",
        title="",
        text=draft.statement,
        answers=(draft.answer,),
        masks=1,
        original=draft.statement.replace(MASK, draft.answer),
        language="en",
    )
