"""Connections to other frameworks: exports for trainers, our evaluation in Inspect, an agent loop for verl.

Only the command line imports this package.
"""
