"""Self-evolution: a model is trained on its own correct trajectories, round after round.

This is the paper's self-evolve distillation (section 2), in which the student becomes the teacher. D_T is
the training data of a round:

    D_T (in round 1 the seed data) -> SFT -> the round's teacher -> n rollouts of each fresh task
      -> keep correct and diverse rollouts -> add them to D_T for the next round

Each round's teacher is also evaluated on held-out tasks with greedy decoding. The rounds stop early if the
results no longer improve. Run it with `masksearch evolve`, or as a recipe stage of kind `evolve`. This
module does not import torch.
"""
