"""Indexes searched in this process: BM25, vectors, and the fusion of both."""
