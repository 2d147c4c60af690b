"""The kinds of stages, in the order of the paper's figure, with the settings, function and product of each.

A stage function is `(settings, output, work) -> summary`. It writes its product to `output` (under a
temporary name, then renamed) and may keep files to resume from in the folder `work`. The summary holds JSON
values: `summary["text"]` is shown when the stage is done; `summary["table"]` is printed by the stage's
command, and at the end of a run only where `recipe/conclusion.py` has no short form of it. A stage function
is imported only when it is called, so that a command loads torch only if it trains; a class of settings is
imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from masksearch.errors import MaskSearchError
from masksearch.runtime.extras import load_function, naming_extras
from masksearch.runtime.settings import Settings


@dataclass(frozen=True)
class StageKind:
    """A kind of stage, such as `sft`: its settings class, its function and its product."""

    kind: str
    settings_class: type[Settings] | str
    """The class of its settings, or `module:class`, imported when it is first used."""
    function: str
    """`module:function`, imported when the stage runs."""
    product: str
    """Name of the file or folder that the stage writes."""
    about: str
    """Description of the stage in a few words."""
    marker: str = ""
    """Name of a file inside the product by which we recognise the product; only for products that are
    folders."""
    folder_marker: str = ""
    """Name of a file inside the product, like `marker`, for a stage whose product is a folder only if the
    output's name has no suffix."""
    needs: str = ""
    """`module:function` of (settings, made), which yields the needs of the settings for the preflight."""
    takes_run: bool = False
    """Whether the function reads a whole run instead of the products that its settings name. Its arguments
    are then (run folder, output, settings)."""

    @property
    def settings(self) -> type[Settings]:
        """The class of its settings."""
        if not isinstance(self.settings_class, str):
            return self.settings_class
        return cast(type[Settings], load_function(self.settings_class))


_ALL = (
    StageKind(
        "model",
        "masksearch.llm.settings:ModelSettings",
        "masksearch.llm.checkpoint:run_model",
        "checkpoint",
        "making a plain checkpoint of the model",
        "config.json",
        needs="masksearch.llm.needs:model_needs",
    ),
    StageKind(
        "index",
        "masksearch.search.settings:IndexSettings",
        "masksearch.search.stage:build_index",
        "index",
        "cutting the corpus into passages and indexing them",
        "passages.jsonl",
        needs="masksearch.search.needs:index_needs",
    ),
    StageKind(
        "mask",
        "masksearch.ramp.settings:MaskSettings",
        "masksearch.ramp.run.stage:run_mask",
        "tasks.jsonl",
        "masking salient spans and checking that they can be found",
        folder_marker="manifest.json",
        needs="masksearch.ramp.needs:mask_needs",
    ),
    StageKind(
        "synthesize",
        "masksearch.synthesis.settings:SynthesizeSettings",
        "masksearch.synthesis.stage:run_synthesize",
        "trajectories.jsonl",
        "rolling out the teacher on tasks, with real searches",
        needs="masksearch.synthesis.needs:synthesize_needs",
    ),
    StageKind(
        "evolve",
        "masksearch.evolve.settings:EvolveSettings",
        "masksearch.evolve.stage:run_evolve",
        "evolved",
        "training a model on its own correct trajectories, round by round",
        "evolve.json",
        needs="masksearch.evolve.needs:evolve_needs",
    ),
    StageKind(
        "sft",
        "masksearch.train.settings:SftSettings",
        "masksearch.train.sft.stage:run_sft",
        "checkpoint",
        "supervised fine-tuning on trajectories",
        "config.json",
        needs="masksearch.train.needs:sft_needs",
    ),
    StageKind(
        "rl",
        "masksearch.train.settings:RlSettings",
        "masksearch.train.rl.stage:run_rl",
        "checkpoint",
        "reinforcement learning (DAPO) with live search",
        "config.json",
        needs="masksearch.train.needs:rl_needs",
    ),
    StageKind(
        "eval",
        "masksearch.evaluation.settings:EvalSettings",
        "masksearch.evaluation.run:run_eval",
        "results.json",
        "measuring the model on questions it was not trained on",
        needs="masksearch.evaluation.needs:eval_needs",
    ),
    StageKind(
        "compare",
        "masksearch.evaluation.settings:CompareSettings",
        "masksearch.evaluation.compare.stage:run_compare",
        "comparison.json",
        "comparing the results",
    ),
    StageKind(
        "report",
        "masksearch.report.settings:ReportSettings",
        "masksearch.report:build_report",
        "report.html",
        "writing the page with curves and trajectories",
        takes_run=True,
    ),
)
Registry = Mapping[str, StageKind]
STAGES: Registry = {stage.kind: stage for stage in _ALL}
_TOOLS = (
    StageKind(
        "score",
        "masksearch.evaluation.predictions.settings:ScoreSettings",
        "masksearch.evaluation.predictions.stage:run_score",
        "results.json",
        "scoring the predictions of another system",
        needs="masksearch.evaluation.needs:score_needs",
    ),
    StageKind(
        "audit",
        "masksearch.evaluation.audit.settings:AuditSettings",
        "masksearch.evaluation.audit.stage:run_audit",
        "audit.json",
        "checking that questions can be answered by searching",
        needs="masksearch.evaluation.needs:audit_needs",
    ),
    StageKind(
        "verify",
        "masksearch.evaluation.verify.settings:VerifySettings",
        "masksearch.evaluation.verify.stage:run_verify",
        "verification.json",
        "checking a results file and evaluating again",
    ),
)
TOOLS: Registry = {tool.kind: tool for tool in _TOOLS}
"""Commands that check their needs and resume as stages do, but belong to no recipe."""


def run_stage(
    spec: StageKind, settings: Settings, output: Path, work: Path, run_dir: Path | None = None
) -> dict[str, Any]:
    """Runs one stage and returns its summary. `run_dir` is the folder of the run, for stages that read a
    whole run."""
    with naming_extras(f"The stage '{spec.kind}'"):
        function = load_function(spec.function)
        try:
            if spec.takes_run:
                summary = function(run_dir, output, settings)
            else:
                summary = function(settings, output, work)
        except BrokenPipeError as error:
            # Elsewhere a broken pipe means that nobody reads our output any more. Inside a stage it is a
            # failure.
            raise MaskSearchError(
                f"a process or connection of the stage '{spec.kind}' has closed; "
                "start the same command again."
            ) from error
    return dict(summary) if isinstance(summary, Mapping) else {}
