"""Decoding of many sessions at once with a checkpoint in this process."""
