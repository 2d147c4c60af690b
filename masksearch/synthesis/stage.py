"""Tasks to trajectories: stage `synthesize`.

Every trajectory is rolled out through the agent loop with real searches. Of the scripted teacher's those are kept that are in valid form and whose answer
scores full marks; of the agents' (`agents/`) those that are judged correct. The share dropped, and why, is reported.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from masksearch.errors import DataError
from masksearch.synthesis.settings import SynthesizeSettings


def run_synthesize(settings: SynthesizeSettings, output: Path, work: Path) -> dict[str, Any]:
    """Writes trajectories of a task or question file. Raises DataError where not one could be made."""
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
        raise DataError(f"Of {len(tasks)} tasks in {settings.tasks} not one became a trajectory ({reasons}).")
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
