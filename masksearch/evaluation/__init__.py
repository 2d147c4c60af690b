"""Models to numbers: suites, baselines, intervals, comparison."""
