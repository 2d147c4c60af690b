"""Stage `synthesize`: turns tasks into trajectories.

Every trajectory is rolled out through the agent loop with real searches. Of the scripted teacher
(`oracle/`), a trajectory is kept if it is in valid form and its answer scores F1 = 1. Of the teacher
`agents`, a trajectory is kept if its judge calls the answer correct. The report gives the share of dropped
tasks, and the reasons.

    masksearch synthesize tasks.jsonl --index index/ -o trajectories.jsonl
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from masksearch.errors import DataError, UsageError
from masksearch.synthesis.settings import SynthesizeSettings


def run_synthesize(settings: SynthesizeSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes the trajectories for a file of tasks; returns the summary. Raises DataError if none is kept."""
    if settings.not_found and (settings.teacher != "oracle" or settings.oracle != "planned"):
        raise UsageError(
            "not_found has no effect without the teacher oracle in its version planned; leave it out, or set "
            'oracle = "planned".'
        )
    if settings.teacher == "agents":
        from masksearch.synthesis.agents.stage import run_agents

        return run_agents(settings, output, work)
    from masksearch.runtime.files import write_json, write_json_lines
    from masksearch.runtime.records import read_tasks
    from masksearch.synthesis.oracle.hops import HopCounts
    from masksearch.synthesis.oracle.run import synthesize

    tasks = read_tasks(settings.tasks)
    dropped: Counter[str] = Counter()
    hops = HopCounts()
    lines = [trajectory.to_json() for trajectory in synthesize(tasks, settings, dropped, hops=hops)]
    if not lines:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.most_common())
        raise DataError(
            f"None of the {len(tasks)} tasks in {settings.tasks} became a trajectory ({reasons})."
        )
    write_json_lines(output, lines)
    tried = len(lines) + dropped.total()
    summary = {
        "text": f"{len(lines)} trajectories of {tried} tasks",
        "kept": len(lines),
        "tried": tried,
        "dropped": dict(dropped),
        "share_dropped": round(dropped.total() / tried, 4),
        "searches": round(sum(line["usage"]["searches"] for line in lines) / len(lines), 3),
    }
    if hops.tasks:
        summary["hops"] = hops.to_json()
    if str(output) != "-":
        write_json(work / "synthesize-report.json", summary)
    return summary
