"""Evaluates again, and compares every answer and score."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from masksearch.errors import MaskSearchError, ModelError, SearchError
from masksearch.evaluation.results import load_results
from masksearch.evaluation.run import run_eval
from masksearch.evaluation.verify.checks import REPLAYED, Check, named
from masksearch.evaluation.verify.inputs import Inputs
from masksearch.evaluation.verify.records import JUDGED, score_checks
from masksearch.evaluation.verify.scores import scores_text
from masksearch.evaluation.verify.settings import VerifySettings
from masksearch.runtime.files import hash_json, remove
from masksearch.runtime.resume import claim
from masksearch.scoring.settings import JudgeSettings
from masksearch.types import Results

BY_JUDGE = (*JUDGED, "right", "failure")
"""Columns that depend on a judge, who is not asked again."""
NEEDED = ("questions", "prompts", "checkpoint", "search")
"""Checks without which a replay would measure something else."""
REPLAY = "replay"


def check_replay(results: Results, inputs: Inputs, settings: VerifySettings, work: Path) -> list[Check]:
    """Asks the model again, in the folder `work`, where an interrupted replay goes on.

    A model of another hash, other prompts or another search would measure something else: then the replay is
    left out. The judge is not asked again.
    """
    if not settings.replay:
        return [Check(REPLAYED, "left out", "not wanted (--no-replay)")]
    blocked = [check for check in inputs.checks if check.name in NEEDED and _blocks(check, inputs)]
    if blocked:
        return [Check(REPLAYED, "left out", f"{blocked[0].name}: {blocked[0].detail}")]
    limit = settings.limit or inputs.settings.limit
    changes = {"judge": JudgeSettings(), "limit": limit, "not_trained_on": ()}
    chosen = inputs.settings.model_copy(update=changes)
    folder = work / REPLAY
    record = hash_json([chosen.model_dump(mode="json"), [check.detail for check in inputs.checks]])
    claim(folder / "made-from", record, lambda: remove(folder))
    try:
        run_eval(chosen, folder / "results.json", folder)
    except (ModelError, SearchError) as error:
        # Finished answers are kept, so that the same command asks only the others.
        raise type(error)(f"{error} --no-replay checks the records alone.") from error
    except MaskSearchError as error:
        return [Check(REPLAYED, "left out", str(error).rstrip("."))]
    return [*_compared(results, load_results(folder / "results.json"))]


def _blocks(check: Check, inputs: Inputs) -> bool:
    endpoint = check.name == "checkpoint" and "endpoint" in check.detail
    return check.status == "differs" or (check.status == "left out" and not endpoint)


def _compared(then: Results, now: Results) -> Iterator[Check]:
    before = then.per_question[: now.n]
    answers = [
        str(old["id"])
        for old, new in zip(before, now.per_question, strict=True)
        if old["prediction"] != new["prediction"]
    ]
    judged = any("judge_strict" in row for row in before)
    if answers:
        yield Check("answers of the replay", "note", f"other answers in questions: {named(answers)}")
    else:
        yield Check("answers of the replay", "same", f"{now.n} answers")
    part = "" if now.n == then.n else f" of the first {now.n} of {then.n} questions"
    note = ", the judge was not asked again" if judged else ""
    text = f"{scores_text(now)}{part}, each asked again{note}"
    skipped = ("prediction", *(BY_JUDGE if judged else ()))
    yield from score_checks(REPLAYED, then, now.per_question, text, skipped, exactly=False)
