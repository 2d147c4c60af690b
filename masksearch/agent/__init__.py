"""The one agent loop: think, search, information, answer."""
