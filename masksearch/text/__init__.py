"""Language data and text rules that several packages share.

Sentences, words, index terms, names, excerpts, displayed and neutralised text.
"""
