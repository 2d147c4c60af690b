"""`masksearch publish`: folders that work without this package, and their way to a model hub.

command      the whole command: what a path holds, where it goes
checkpoint   weights, tokenizer, configurations, system prompt, protocol, agent.py
chat         the chat template: its literal texts, as Jinja and as Ollama's template
gguf         a GGUF file and Ollama's Modelfile
dataset      tasks or trajectories as Parquet
origin       the run that a product belongs to: its stages, corpora, figures
licences     licences of base models and texts, where they are known
cards        the README of a folder
hub          the upload
"""
