"""Self-evolution: the student becomes the teacher (paper, section 2: self-evolve distillation).

    seed data -> D_T -> SFT -> teacher of the round -> fresh tasks, n samples each -> correct? -> different enough? -> D_T -> ...
                          \\-> held-out tasks (greedy): gain, stop rule

Run with `masksearch evolve`, or a recipe's stage of the kind `evolve`. Imports nothing heavy.
"""
