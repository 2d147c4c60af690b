"""Recipes: loading, checking, the kinds of stages, their cache keys, and running them."""
