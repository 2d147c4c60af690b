"""Models: checkpoints in this process, OpenAI-compatible endpoints, scripts."""
