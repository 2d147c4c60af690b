"""Command `verify`: are the scores of a results file those of what it names?

    masksearch verify results.json

Checked are the questions, the prompts, the checkpoint and the search by their hashes, the recorded
trajectories (scores, prompts, every search made again), and the evaluation itself, by asking the model again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from masksearch.errors import DataError, MaskSearchError
from masksearch.evaluation.predictions.settings import ScoreSettings
from masksearch.evaluation.predictions.stage import run_score
from masksearch.evaluation.results import load_results
from masksearch.evaluation.verify.checks import RESCORED, Check, Verdict, table, verdict
from masksearch.evaluation.verify.inputs import check_inputs, compared
from masksearch.evaluation.verify.records import PROMPTS, check_records, find_trajectories, score_checks
from masksearch.evaluation.verify.replay import check_replay
from masksearch.evaluation.verify.scores import scores_text
from masksearch.evaluation.verify.settings import VerifySettings
from masksearch.runtime.files import hash_file, write_json
from masksearch.runtime.records import explain
from masksearch.types import Results

VERIFICATION_FORMAT = "masksearch-verification/1"


def run_verify(settings: VerifySettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes the checks to `output`; returns the summary. `failed` in it is the sentence of the error with
    which the command ends.

    Raises FormatError for a results file whose metrics do not follow from its rows.
    """
    results = load_results(settings.results)
    checks = [Check("metrics", "same", "they follow from the rows")]
    if results.method == "external" or "predictions_hash" in results.provenance:
        checks += _scored(results, settings, work)
    else:
        inputs = check_inputs(results, settings)
        path = find_trajectories(Path(settings.results), settings.trajectories)
        records = check_records(results, path, inputs)
        inputs = replace(inputs, checks=tuple(reconciled(inputs.checks, records)))
        checks += [*inputs.checks, *records]
        checks += check_replay(results, inputs, settings, work)
    found = verdict(checks)
    write_json(output, _to_json(settings, results, checks, found))
    summary: dict[str, Any] = {"text": found.text, "table": table(checks)}
    return summary if found.holds else {**summary, "failed": f"{settings.results} {found.text}."}


def reconciled(inputs: Sequence[Check], records: Sequence[Check]) -> list[Check]:
    """Returns the checks of the inputs. Other prompt files are only noted if every trajectory's prompt is the
    same: the file that changed belongs to another language or method."""
    same = any(check.name == PROMPTS and check.status == "same" for check in records)
    return [
        replace(check, status="note", detail=f"{check.detail}; but the prompts are the same")
        if same and check.name == "prompts" and check.status == "differs"
        else check
        for check in inputs
    ]


def _to_json(
    settings: VerifySettings, results: Results, checks: Sequence[Check], found: Verdict
) -> dict[str, Any]:
    return {
        "format": VERIFICATION_FORMAT,
        "results": settings.results,
        "suite": results.suite,
        "method": results.method,
        "model": results.model,
        "verdict": found.text,
        "same_score": found.holds,
        "checks": [{"check": one.name, "outcome": one.status, "detail": one.detail} for one in checks],
        "settings": settings.model_dump(mode="json"),
    }


def _scored(results: Results, settings: VerifySettings, work: Path) -> list[Check]:
    """Scores the predictions of another system again. The judge is not asked again."""
    places = {name: getattr(settings, name) for name in ("questions", "predictions")}
    known = {name: value for name, value in results.settings.items() if name in ScoreSettings.model_fields}
    known |= {name: place for name, place in places.items() if place} | {"judge": {}}
    try:
        chosen = ScoreSettings.model_validate(known)
    except ValidationError as error:
        raise DataError(f"The settings in {settings.results} {explain(error)}.") from error
    if not Path(chosen.predictions).is_file():
        detail = f"there is no file {chosen.predictions}; see --predictions"
        return [Check("predictions", "left out", detail)]
    found = [
        compared("predictions", results.provenance.get("predictions_hash"), hash_file(chosen.predictions))
    ]
    try:
        run_score(chosen, work / "results.json", work)
    except MaskSearchError as error:
        return [*found, Check(RESCORED, "differs", str(error).rstrip("."))]
    again = load_results(work / "results.json")
    recorded = results.provenance.get("questions_hash")
    found.append(compared("questions", recorded, again.provenance["questions_hash"]))
    ids, now = ([str(row["id"]) for row in one.per_question] for one in (results, again))
    if ids != now:
        return [*found, Check(RESCORED, "differs", f"{len(ids)} questions then, {len(now)} now")]
    judged = ("right",) if any("judge_strict" in row for row in results.per_question) else ()
    return [*found, *score_checks(RESCORED, results, again.per_question, scores_text(again), judged)]
