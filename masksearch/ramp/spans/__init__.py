"""Span extractors: named entities, links, dates, numbers, terms, spans listed by a language model."""
