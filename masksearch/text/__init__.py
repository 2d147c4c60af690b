"""Language data and text rules that several rooms share: sentences, words, index terms, names, excerpts, neutralised text."""
