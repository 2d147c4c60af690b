"""The conclusion of a run: what it shows, what it does not show, and one example before and after.

The end of `masksearch run` prints it, and the report opens with it.

    suites      the evaluations of each suite, sorted into before, bare models prompted well, and trained ones
    paired      the paired tests of the run's comparisons, by stage
    card        scores before and after each suite, with the verdict of their test
    headline    one headline for each suite, in words
    not_shown   the differences that the tests do not show
    example     one question that was wrong before and is right now, with both trajectories
    glossary    the terms of the tables
    terminal    all this as lines of a terminal
"""
