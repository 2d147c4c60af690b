"""Retrieval-Augmented Mask Prediction: any text into tasks that can only be solved by searching (section "RAMP" of the paper).

find salient spans (`spans` and one module for each extractor) -> choose which to mask (`counts`, `strategies`, `draw`, `masks`)
-> check that a search finds them, and nothing else gives them away (`query`, `verify`, `elsewhere`, `guess`, `decontaminate`, `duplicates`)
-> the same for a corpus of any size (`generate`: one document; `shards`, `engines`, `stage`: all of them)

    masksearch mask docs.jsonl -o tasks.jsonl --masks 1-4 --limit 1000
"""
