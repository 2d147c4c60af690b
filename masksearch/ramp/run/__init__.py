"""The stage `mask`: makes the tasks of a corpus of any size, on any number of workers."""
