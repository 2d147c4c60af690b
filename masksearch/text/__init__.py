"""Language data and text rules that several packages share.

The modules cover sentences, words, index terms, names, excerpts, and displayed and neutralised text.
"""
