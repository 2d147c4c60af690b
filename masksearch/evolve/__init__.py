"""Self-evolution: the student becomes the teacher (paper, section 2: self-evolve distillation).

    D_T (initially the seed data) -> SFT -> the round's teacher -> fresh tasks, n samples each
      -> correct? -> diverse? -> D_T of the next round

Each round's teacher also works the held-out tasks with greedy decoding; the gain on them decides when to
stop. Run with `masksearch evolve`, or as a recipe stage of kind `evolve`. This module does not import
torch.
"""
