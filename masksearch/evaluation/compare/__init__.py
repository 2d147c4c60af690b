"""Comparison of results: tables, paired tests, arms averaged over seeds."""
