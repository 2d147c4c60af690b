"""Makes the task of a draft: a question, or a statement with a mask."""

from __future__ import annotations

from hashlib import sha1
from typing import Any

from masksearch.ramp.chains.records import Draft
from masksearch.ramp.chains.shapes.base import seeded
from masksearch.ramp.settings import MaskSettings
from masksearch.types import MASK, MaskedTask, Question, Task


def make_task(draft: Draft, settings: MaskSettings, retriever: str, verdicts: dict[str, Any]) -> Task:
    """Returns the task of a draft in the form that the settings want, with its verdicts."""
    form = _form(draft, settings)
    name = sha1(f"{form}\n{draft.question}".encode()).hexdigest()[:12]
    evidence = tuple(dict.fromkeys(step.passage_id for step in draft.steps))
    common: dict[str, Any] = {
        "id": f"{draft.shape}-{name}",
        "answers": (draft.answer,),
        "hops": draft.hops,
        "shape": draft.shape,
        "form": form,
        "bridges": draft.bridges,
        "evidence": evidence,
        "steps": draft.steps,
        "verdict": draft.verdict,
    }
    if form == "question":
        titles = tuple(dict.fromkeys(step.title for step in draft.steps))
        return Question(
            question=draft.question,
            type=draft.shape,
            supporting_titles=titles,
            supporting_passages=evidence,
            verdicts=verdicts,
            **common,
        )
    last = draft.steps[-1]
    ranks = verdicts.get("retrievable", {}).get("ranks", ())
    return MaskedTask(
        doc_id=last.passage_id.rpartition("#")[0] or last.passage_id,
        title=last.title,
        text=draft.statement,
        masks=1,
        original=draft.statement.replace(MASK, draft.answer),
        passage_id=last.passage_id,
        categories=(draft.category,),
        retriever=retriever,
        ranks=ranks[-1:],
        language="en",
        verdicts=verdicts,
        **common,
    )


def _form(draft: Draft, settings: MaskSettings) -> str:
    """Returns the form of a task. A draft without a statement is a question."""
    if not draft.statement or settings.form == "question":
        return "question"
    if settings.form == "cloze":
        return "cloze"
    return "cloze" if seeded(settings.seed, "form", draft.question).random() < 0.5 else "question"
