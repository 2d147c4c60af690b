"""Verifies a results file (`masksearch verify`): its records are checked, and the evaluation is replayed."""
