"""Retrieval-Augmented Mask Prediction (RAMP): turns any text into tasks that need a search (section "RAMP").

The parts of this package, in the order in which a task passes through them, and last its settings:

    spans/      find salient spans (names, dates, numbers, ...), one module per extractor
    masking/    choose which spans to mask, and how many
    query       builds search queries from the visible words of a masked text
    checks/     drop tasks whose evidence no search finds, or whose answers can be guessed
    generate    makes the tasks of a batch of documents
    run/        runs the stage `mask` over a corpus of any size, on any number of workers
    settings    defines the settings of the stage

    masksearch mask docs.jsonl -o tasks.jsonl --masks 1-4 --limit 1000
"""
