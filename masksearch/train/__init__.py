"""Trajectories to models: tokens and loss masks, SFT, rollouts, DAPO. All on TRL's trainers."""
