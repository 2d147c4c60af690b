"""Settings of the command `verify`."""

from __future__ import annotations

from pydantic import Field

from masksearch.runtime.settings import Ref, Settings


class VerifySettings(Settings):
    """Checks what a results file says, and evaluates again to see whether the score is the same."""

    basic = ("results", "model", "index", "questions", "trajectories", "searches", "llm", "replay")

    results: Ref
    """The results file to verify, of `eval` or of `score`; or the folder of an `eval` stage."""
    questions: Ref = ""
    """Where the questions are now. Empty: where they were."""
    model: Ref = ""
    """Where the checkpoint is now. Empty: where it was."""
    index: Ref = ""
    """Where the index is now. Empty: where it was."""
    predictions: Ref = ""
    """Where the predictions that `score` read are now. Empty: where they were."""
    trajectories: str = ""
    """The evaluation's trajectories.jsonl. Empty: next to the results, or in the folder RESULTS.work."""
    searches: str = ""
    """Record of the evaluation's searches, written with search.record, which answers in place of the index.
    Empty: the index answers."""
    llm: str = ""
    """Base URL of the endpoint for a model behind one. Empty: the URL that was used."""
    replay: bool = True
    """Ask the model again. Without it, only the records are checked."""
    limit: int | None = Field(None, ge=1)
    """Number of questions to ask again, from the first on. Unset, all of them. Answers in bfloat16 may depend
    on the batch, so fewer questions may give other answers."""
