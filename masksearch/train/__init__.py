"""Training of a model: SFT on trajectories, and RL on tasks with live search.

Both stages use TRL's trainers. `sft.py` is the stage `sft`; the folder `rl/` is the stage `rl` (DAPO and
related algorithms). The other modules are shared parts, such as loss masks, LoRA and the curriculum.
"""
