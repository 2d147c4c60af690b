"""Curves of a comparison: measures of arms against a number, such as that of labelled questions."""
