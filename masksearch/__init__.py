"""MaskSearch: turns any text corpus into search skill (Retrieval-Augmented Mask Prediction, RAMP)."""

__version__ = "0.1.0"
