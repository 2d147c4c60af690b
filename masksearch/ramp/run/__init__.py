"""The stage `mask`: a corpus of any size, on any number of workers."""
