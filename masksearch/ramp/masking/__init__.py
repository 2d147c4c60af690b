"""Masking: rules for spans that may be masked, numbers of masks, and strategies that choose spans."""
