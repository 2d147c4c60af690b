"""Writes the folder of a run with everything that the report draws: a gain and a loss, arms of three seeds,
a label-efficiency curve, degraded searches, and a log of RL with flat metrics."""

from __future__ import annotations

import json
from pathlib import Path

from kit.finished_run import FinishedRun, demo_run, questions

HOSTILE_NAME = "</text></svg><script>window.stolen = 3</script>\u202egnp"
"""A model's label that tries to leave its chart."""
LABELS = {0: (12, 14, 13), 40: (20, 27, 22), 160: (44, 47, 41)}
"""Number of labels -> right answers of 60 of each seed."""


def rich_run(folder: Path) -> FinishedRun:
    """Writes the run."""
    run = demo_run(folder)
    asked = questions(60)
    trained = {"maker": "rl", "model": "smollm2-135m+sft+rl"}
    noisy = {"search": {"noise": {"drop": 0.2}}}
    run.evaluate("noisy-hotpot", "HotpotQA", asked, range(3), **trained, **noisy)
    run.evaluate("evil-hotpot", "HotpotQA", asked, range(9, 60), label=HOSTILE_NAME, **trained)
    run.compare("rl-hotpot", "noisy-hotpot", "evil-hotpot", stage="robustness")
    groups = {}
    for labels, counts in LABELS.items():
        for seed, right in enumerate(counts, 1):
            maker = f"labels-{labels}-s{seed}"
            run.stage(maker, "sft")
            model = {"maker": maker, "model": "smollm2-135m+sft", "label": f"{labels} labels"}
            run.evaluate(f"wiki-{labels}-s{seed}", "2WikiMultiHopQA", asked, range(right), **model)
        groups[f"{labels} labels"] = [f"wiki-{labels}-s{seed}" for seed in (1, 2, 3)]
    points = {str(labels): f"{labels} labels" for labels in LABELS}
    curves = {"labels": {"x": "labelled questions", "lines": {"RAMP first": points}}}
    run.compare(stage="label-comparison", groups=groups, curves=curves)
    write_log(run.path("rl"), 12)
    return run


def write_log(folder: Path, steps: int) -> None:
    """Writes a log of RL in which five metrics never change."""
    rows = [
        {
            "step": step,
            "loss": 0.3 - 0.01 * step,
            "entropy": 0.5 - 0.02 * step,
            "reward": 0.3 + 0.02 * step,
            "reward_answer": 0.2 + 0.02 * step,
            "reward_format": 0.1,
            "f1": 0.25 + 0.02 * step,
            "valid": 1.0,
            "overlong": 0.0,
            "left_out": 0,
            "no_answer": 0.0,
            "no_search": 0.0,
            "groups_sampled": 8,
            "groups_kept": 8,
            "searches": 1.0,
            **({"heldout_f1": 0.2 + 0.01 * step} if step % 3 == 0 else {}),
        }
        for step in range(1, steps + 1)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
