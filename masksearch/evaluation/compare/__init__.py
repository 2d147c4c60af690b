"""Comparison of results files: tables, paired tests, arms averaged over seeds."""
