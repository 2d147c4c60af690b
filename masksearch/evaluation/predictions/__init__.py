"""Scores the predictions of any system (`masksearch score`): layouts of their files, ids, answers."""
