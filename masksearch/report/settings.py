"""Settings of the stage `report`."""

from __future__ import annotations

from pydantic import Field

from masksearch.runtime.settings import Settings


class ReportSettings(Settings):
    """One HTML page of a run."""

    title: str = ""
    against: tuple[str, ...] = ()
    """Folders of other runs whose evaluations are shown beside."""
    trajectories: int = Field(5000, ge=1)
    """Most trajectories that the page holds, shared evenly among the stages; it says where it leaves some out."""
    trajectories_per_stage: int = Field(5000, ge=1)
    """Most trajectories of one stage that the page holds."""
