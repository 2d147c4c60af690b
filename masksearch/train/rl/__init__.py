"""Reinforcement learning: DAPO and its relatives on TRL's GRPOTrainer, with rollouts that search live."""
