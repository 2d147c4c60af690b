"""Turns tasks into trajectories, with a scripted teacher (`oracle/`) or a team of models (`agents/`)."""
