"""Retrieval-Augmented Mask Prediction (RAMP): turns any text into tasks that need a search (section "RAMP").

spans/      finds salient spans, one module per extractor
masking/    chooses which spans to mask, and how many
query       builds search queries from the visible words of a masked text
checks/     keeps tasks whose evidence a search finds and that nothing else gives away
generate    makes the tasks of a batch of documents
run/        runs the stage `mask` over a corpus of any size, on any number of workers
settings    settings of the stage

masksearch mask docs.jsonl -o tasks.jsonl --masks 1-4 --limit 1000
"""
