"""Training of models on trajectories and tasks: token rows and loss masks, SFT, and RL with live search.

Both stages run on TRL's trainers: `sft.py` is the stage `sft`, `rl/` the stage `rl` (DAPO and its relatives).
"""
