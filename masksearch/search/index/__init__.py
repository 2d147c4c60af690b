"""Indexes in this process: BM25, vectors, and both fused."""
