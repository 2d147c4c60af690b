"""Runs our suites, search and agent loop inside Inspect (https://inspect.aisi.org.uk)."""
