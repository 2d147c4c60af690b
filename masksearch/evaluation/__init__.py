"""Evaluation of models: benchmark suites, baselines, confidence intervals and comparison of results."""
