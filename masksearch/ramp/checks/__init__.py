"""Checks that a task must pass, and filters for passages that must not be used.

A new check touches three files:

1. `checks/NAME.py` judges tasks and returns one `Verdict` per task (see `checks/verdict.py`).
2. `ramp/run/plan.py` adds the check to `_checks`, cheap checks first.
3. `ramp/settings.py` adds the name to `CheckName`.

A rule that decides from the passage alone whether a span may be masked belongs in `masking/rules.py`
instead. The name of the rule goes into `RULES` there, and into `CheckName`.
"""
