"""Supervised fine-tuning on TRL's SFTTrainer: rows of several sources, in an order that a curriculum sets."""
