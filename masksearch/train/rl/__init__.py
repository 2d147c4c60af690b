"""Reinforcement learning on TRL's GRPOTrainer: DAPO and related algorithms. Rollouts search live."""
