"""Settings of the stage `report`."""

from __future__ import annotations

from pydantic import Field

from masksearch.runtime.settings import Settings


class ReportSettings(Settings):
    """Builds one HTML page of a run."""

    basic = ("title", "against")

    title: str = ""
    """Title of the page. Empty: "MaskSearch: " and the name of the run."""
    against: tuple[str, ...] = ()
    """Folders of other runs whose evaluations the page compares with. Empty: no comparison."""
    trajectories: int = Field(5000, ge=1)
    """Maximum number of trajectories on the page, shared evenly among the stages. If the page leaves some
    out, a note on the page gives the numbers."""
    trajectories_per_stage: int = Field(5000, ge=1)
    """Maximum number of trajectories of each stage on the page."""
