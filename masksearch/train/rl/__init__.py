"""Reinforcement learning: DAPO and its relatives, with rollouts of our own."""
