"""Facts of an article about its subject, read off a dependency parse (spaCy)."""
