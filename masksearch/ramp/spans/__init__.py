"""Span extractors: named entities, links, dates, numbers, terms, and spans listed by a language model.

A new extractor touches three files:

1. `spans/NAME.py` defines `make(settings) -> Extractor` (see `spans/extract.py` for the interface).
2. `spans/extract.py` registers the module in `EXTRACTORS`.
3. `ramp/settings.py` adds the name to `ExtractorName`, and any settings of the extractor to `MaskSettings`.
"""
