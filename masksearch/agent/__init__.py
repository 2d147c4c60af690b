"""Agent loop, tag protocol and prompts."""
