"""The stage `mask` for chained tasks: facts, drafts, checks, and their files in the work folder."""
