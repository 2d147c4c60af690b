"""The page on which people ask questions: a template, a style and a script, joined into one file."""
