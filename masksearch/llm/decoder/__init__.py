"""Decoding of many concurrent sessions with a checkpoint in this process."""
