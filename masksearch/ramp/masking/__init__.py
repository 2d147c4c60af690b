"""Masking: the rules for spans that may be masked, the number of masks, and the strategies that choose among spans."""
