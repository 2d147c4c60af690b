"""The articles of a corpus with their facts, and the names that mean one article alone."""
