"""Checks that a task must pass, and passages that must not be used."""
