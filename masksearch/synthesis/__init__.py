"""Tasks to trajectories: the scripted teacher (`oracle/`) and a team of models (`agents/`)."""
